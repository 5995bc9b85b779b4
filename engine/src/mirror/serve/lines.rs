//! The lines of a request, as `gitprotocol-common` frames them.

/// The lines of a request in git's framing: four hexadecimal digits that count themselves and what
/// follows them. What is not framed so ends it; git refuses it.
pub(super) struct Lines<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        // Below four, the digits are a separator without content.
        let (line, rest) = rest.split_at_checked(length.saturating_sub(4))?;
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
pub(super) mod tests {
    /// Frames lines; `0000` and `0001` are separators.
    pub(in crate::mirror::serve) fn framed(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "0000" | "0001" => bytes.extend(line.as_bytes()),
                line => bytes.extend(format!("{:04x}{line}\n", line.len() + 5).as_bytes()),
            }
        }
        bytes
    }
}
