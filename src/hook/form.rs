//! The form in which some forges wrap their JSON: one field with the name `payload`.
//!
//! It is decoded piece by piece, because Gitea, Forgejo and Gogs sign the JSON inside and not the
//! form, and their signature is checked while the body arrives.

/// The field that holds the JSON, with what separates it from its value.
const FIELD: &[u8] = b"payload=";

/// Decodes the value of the field `payload` in a form.
#[derive(Debug, Default)]
pub struct Payload {
    place: FormState,
    escape: Vec<u8>,
}

/// The position of the decoder in the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormState {
    /// In a name that matches the field so far, up to this byte.
    Name(usize),
    /// In another field.
    Other,
    /// In the value.
    Value,
    /// After it.
    Behind,
}

impl Default for FormState {
    fn default() -> Self {
        Self::Name(0)
    }
}

impl Payload {
    /// Decodes the next piece of the form, and returns the part of the value in it.
    pub fn read(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(piece.len());
        for byte in piece {
            self.place = match (self.place, *byte) {
                (FormState::Behind, _) | (FormState::Value, b'&') => FormState::Behind,
                (FormState::Value, byte) => {
                    self.decode(byte, &mut value);
                    FormState::Value
                }
                (FormState::Name(_) | FormState::Other, b'&') => FormState::Name(0),
                (FormState::Name(at), byte) if FIELD[at] == byte => match at + 1 {
                    end if end == FIELD.len() => FormState::Value,
                    at => FormState::Name(at),
                },
                (FormState::Name(_) | FormState::Other, _) => FormState::Other,
            };
        }
        value
    }

    /// Returns whether the field occurred so far.
    pub fn is_there(&self) -> bool {
        matches!(self.place, FormState::Value | FormState::Behind)
    }

    /// Decodes a byte of the value. A byte that is not part of an escape stands for itself.
    fn decode(&mut self, byte: u8, value: &mut Vec<u8>) {
        match (&self.escape[..], byte) {
            ([], b'%') => self.escape.push(byte),
            ([], b'+') => value.push(b' '),
            ([], byte) => value.push(byte),
            ([_], byte) if byte.is_ascii_hexdigit() => self.escape.push(byte),
            ([_, high], byte) if byte.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                value.push(digit(*high) << 4 | digit(byte));
                self.escape.clear();
            }
            _ => {
                value.append(&mut self.escape);
                self.decode(byte, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str, size: usize) -> Option<String> {
        let mut payload = Payload::default();
        let value: Vec<u8> =
            form.as_bytes().chunks(size).flat_map(|piece| payload.read(piece)).collect();
        payload.is_there().then(|| String::from_utf8(value).unwrap())
    }

    #[test]
    fn the_value_is_the_same_in_whichever_pieces_it_arrives() {
        for (form, value) in [
            ("payload=%7B%22a%22%3A+1%7D", Some("{\"a\": 1}")),
            ("payload=%7b%7d&secret=1", Some("{}")),
            ("secret=1&payload=%C3%A4", Some("ä")),
            ("payload=", Some("")),
            ("payload=a%2", Some("a")),
            ("payload=100%25+%zz%", Some("100% %zz")),
            ("payloads=1", None),
            ("xpayload=1&paypayload=2", None),
            ("", None),
        ] {
            for size in 1..=form.len().max(1) {
                assert_eq!(read(form, size).as_deref(), value, "{form} by {size}");
            }
        }
    }
}
