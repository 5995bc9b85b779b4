//! Each role has secrets of its own: whoever is given one that two roles share has both of them.

use super::settings::{
    METRICS_SECRET, METRICS_SECRET_FILE, OPERATOR_SECRET, OPERATOR_SECRET_FILE, RELOAD_SECRET,
    RELOAD_SECRET_FILE, SUBSCRIBER_SECRET, SUBSCRIBER_SECRET_FILE, Setting, WRITE_TOKENS_FILE,
};
use super::{Config, ConfigError, Keyring, Layers, Secret};

/// A secret, and the role that it is for.
struct Held {
    /// The flag of the setting that names the role.
    role: &'static str,
    secret: Secret,
    /// The setting that the secret came from, as it was given.
    setting: String,
}

/// Refuses a secret that is for two roles.
///
/// # Errors
/// Names both settings as they were given.
pub(super) fn check(config: &Config, layers: &Layers<'_>) -> Result<(), ConfigError> {
    let mut held = Vec::new();
    let mut take = |ring: &Keyring, direct: &Setting, file: &Setting| {
        let is_direct = layers.get(direct).is_some();
        held.extend(ring.last().numbered().map(|(number, secret)| {
            let setting = if is_direct && number == 1 { direct } else { file };
            let setting = layers.name_of(setting);
            Held { role: direct.flag, secret: secret.clone(), setting }
        }));
    };
    take(&config.reload_secrets, &RELOAD_SECRET, &RELOAD_SECRET_FILE);
    take(&config.operator_secrets, &OPERATOR_SECRET, &OPERATOR_SECRET_FILE);
    take(&config.metrics_secrets, &METRICS_SECRET, &METRICS_SECRET_FILE);
    if let Some((_, keys)) = &config.subscribers {
        take(keys, &SUBSCRIBER_SECRET, &SUBSCRIBER_SECRET_FILE);
    }
    if let Some(tokens) = &config.write_tokens {
        let (role, setting) = (WRITE_TOKENS_FILE.flag, layers.name_of(&WRITE_TOKENS_FILE));
        held.extend(tokens.last().secrets().map(|secret| Held {
            role,
            secret: secret.clone(),
            setting: setting.clone(),
        }));
    }
    for (at, one) in held.iter().enumerate() {
        let shares = |other: &&Held| other.role != one.role && other.secret.is(&one.secret);
        if let Some(other) = held[at + 1..].iter().find(shares) {
            let settings = [one.setting.clone(), other.setting.clone()];
            return Err(ConfigError::SharedSecret { settings });
        }
    }
    Ok(())
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

    /// Returns the role that a setting is for.
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
                    // In the order of the table of settings, but for the tokens.
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
