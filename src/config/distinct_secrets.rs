//! Checks that no two roles share a secret, because whoever has it would have both roles.

use std::collections::HashMap;

use super::error::ConfigError;
use super::keyring::Keyring;
use super::layers::Layers;
use super::secret::{Secret, SecretIdentity};
use super::settings::Setting;
use super::tokens::Tokens;

/// The secrets of all roles.
pub(super) struct SecretsByRole<'a> {
    layers: &'a Layers<'a>,
    secrets: Vec<SecretOfRole>,
}

/// A secret and its role.
struct SecretOfRole {
    /// The flag of the setting that stands for the role.
    role: &'static str,
    secret: Secret,
    /// The setting that the secret came from, as it was given.
    setting: String,
}

impl<'a> SecretsByRole<'a> {
    /// Returns an empty list. `layers` name the setting that a secret came from.
    pub(super) fn new(layers: &'a Layers<'a>) -> Self {
        Self { layers, secrets: Vec::new() }
    }

    /// Adds the secrets of the role of `direct`, including those of `file`.
    pub(super) fn add(&mut self, ring: &Keyring, direct: &Setting, file: &Setting) {
        let is_direct = self.layers.get(direct).is_some();
        self.secrets.extend(ring.last().numbered().map(|(number, secret)| {
            let setting = if is_direct && number == 1 { direct } else { file };
            let setting = self.layers.name_of(setting);
            SecretOfRole { role: direct.flag, secret: secret.clone(), setting }
        }));
    }

    /// Adds the write tokens of the file in `setting`.
    pub(super) fn add_tokens(&mut self, tokens: &Tokens, setting: &Setting) {
        let name = self.layers.name_of(setting);
        self.secrets.extend(tokens.secrets().map(|secret| SecretOfRole {
            role: setting.flag,
            secret: secret.clone(),
            setting: name.clone(),
        }));
    }

    /// Refuses a secret that two roles share.
    ///
    /// # Errors
    /// Names both settings as they were given.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut known: HashMap<SecretIdentity, &SecretOfRole> = HashMap::new();
        for one in &self.secrets {
            for identity in one.secret.identities() {
                let other = known.entry(identity).or_insert(one);
                if other.role != one.role {
                    let settings = [other.setting.clone(), one.setting.clone()];
                    return Err(ConfigError::SharedSecret { settings });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::{Config, Flags, Layers};

    fn refusal(given: &[(&str, &str)]) -> String {
        let environment: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = Flags::new();
        let layers = Layers::new(&flags, &environment, None).unwrap();
        Config::resolve(&layers).err().map(|error| error.to_string()).unwrap_or_default()
    }

    /// Returns the role of a setting.
    fn role(setting: &str) -> &str {
        let name = setting.trim_start_matches("HEADWATER_").trim_start_matches("CFP_DATA_");
        name.split('_').next().unwrap()
    }

    #[test]
    fn a_signing_token_of_the_secret_of_another_role_is_that_secret() {
        let token = format!("whsec_{}", data_encoding::BASE64.encode(b"one-secret-for-all"));
        let given = [
            ("HEADWATER_REPO", "d"),
            ("HEADWATER_RELOAD_SECRET", "one-secret-for-all"),
            ("HEADWATER_SUBSCRIBER_SECRET", &token),
            ("HEADWATER_SUBSCRIBER_URL", "https://a.org"),
        ];
        let message = refusal(&given);
        assert!(message.contains("have the same secret"), "{message}");
    }

    #[test]
    fn no_secret_is_for_two_roles_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let one = "one-secret-for-all";
        let file = put("secrets", "another-secret-there\none-secret-for-all\n");
        let token =
            "[[token]]\nname = \"a\"\nsecret = \"one-secret-for-all\"\nauthor = \"A <a@b>\"\n";
        let tokens = put("tokens.toml", token);
        let given = [
            ("HEADWATER_RELOAD_SECRET", one),
            ("CFP_DATA_RELOAD_SECRET", one),
            ("HEADWATER_OPERATOR_SECRET", one),
            ("HEADWATER_OPERATOR_SECRET_FILE", &file),
            ("HEADWATER_METRICS_SECRET", one),
            ("HEADWATER_METRICS_SECRET_FILE", &file),
            ("HEADWATER_WRITE_TOKENS_FILE", &tokens),
            ("HEADWATER_SUBSCRIBER_SECRET", one),
        ];
        for (at, first) in given.iter().enumerate() {
            for second in &given[at + 1..] {
                let mut settings = vec![("HEADWATER_REPO", "d"), *first, *second];
                if second.0.contains("SUBSCRIBER") {
                    settings.push(("HEADWATER_SUBSCRIBER_URL", "https://a.org"));
                }
                let message = refusal(&settings);
                let expected = if role(first.0) == role(second.0) {
                    String::new()
                } else {
                    let (one, other) = (first.0, second.0);
                    // In the order of the table of settings, except for the tokens.
                    let (one, other) = match other.contains("SUBSCRIBER") && one.contains("TOKENS")
                    {
                        true => (other, one),
                        false => (one, other),
                    };
                    format!("`{one}` and `{other}` have the same secret: each role needs its own")
                };
                assert_eq!(message, expected, "{settings:?}");
            }
        }
    }
}
