//! The layers of a setting: flag, then environment, then file, then default.
//!
//! This is not a library for layers, because those do not record the layer of a value, which every
//! error here names, and do not support names of an older system.

use std::collections::BTreeMap;
use std::path::Path;

use headwater_engine::suggestion::nearest;

use super::error::ConfigError;
use super::settings::{SETTINGS, Setting};

/// The environment of the process, as a trait so that tests can replace it.
pub trait Environment {
    /// Returns the value of `name`; `None` if it is not set or not UTF-8.
    fn var(&self, name: &str) -> Option<String>;
}

/// The real environment.
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Environment for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// The given values, by flag.
pub type Flags = BTreeMap<&'static str, String>;

/// The layers of settings; the first with a value wins.
pub struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a dyn Environment,
    file: BTreeMap<String, String>,
    /// The name of the file in errors.
    file_name: String,
}

impl<'a> Layers<'a> {
    /// Combines the layers; reads the file if there is one.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not TOML, or has a key that is not a setting.
    pub fn new(
        flags: &'a Flags,
        environment: &'a dyn Environment,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let file_name = file.map(|path| path.display().to_string()).unwrap_or_default();
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        Ok(Self { flags, environment, file, file_name })
    }

    /// Returns the value of `setting`, from the first layer that has it.
    pub fn get(&self, setting: &Setting) -> Option<String> {
        let alias = || setting.alias.and_then(|alias| self.environment.var(alias));
        let default = || setting.default.map(str::to_owned);
        let flag = self.flags.get(setting.flag).cloned();
        flag.or_else(|| self.environment.var(&setting.env()))
            .or_else(alias)
            .or_else(|| self.file.get(&setting.key()).cloned())
            .or_else(default)
    }

    /// Returns the name of `setting` as the user typed it. Returns its name in the environment if
    /// it is not given.
    pub fn name_of(&self, setting: &Setting) -> String {
        let is_set = |name: &str| self.environment.var(name).is_some();
        if self.flags.contains_key(setting.flag) {
            return format!("--{}", setting.flag);
        }
        match setting.alias.filter(|alias| !is_set(&setting.env()) && is_set(alias)) {
            Some(alias) => alias.to_owned(),
            None if !is_set(&setting.env()) && self.file.contains_key(&setting.key()) => {
                format!("`{}` in {}", setting.key(), self.file_name)
            }
            None => setting.env(),
        }
    }

    /// Returns the value of `setting` as parsed by `read`, whose error names the setting.
    ///
    /// # Errors
    /// Fails if there is a value and `read` refuses it.
    pub fn read<T>(
        &self,
        setting: &Setting,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.get(setting) else { return Ok(None) };
        let invalid = |reason| ConfigError::Invalid { setting: self.name_of(setting), reason };
        read(&text).map(Some).map_err(invalid)
    }

    /// Like [`Self::read`], for a setting with a default.
    ///
    /// # Errors
    /// Fails if `read` refuses the value, or if there is none.
    pub fn require<T>(
        &self,
        setting: &Setting,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        self.read(setting, read)?
            .ok_or_else(|| ConfigError::Missing { flag: setting.flag, env: setting.env() })
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        setting: "--config".to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source: Box::new(source) })?;
    table.into_iter().map(|(key, value)| entry(path, key, value)).collect()
}

fn entry(path: &Path, key: String, value: toml::Value) -> Result<(String, String), ConfigError> {
    let setting = SETTINGS.iter().find(|setting| setting.key() == key);
    let Some(setting) = setting else {
        let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
        let nearest = nearest(&key, keys.iter().map(String::as_str)).map(str::to_owned);
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
    };
    if setting.secret {
        return Err(ConfigError::SecretInFile { path: path.to_owned(), key });
    }
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
            items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
        }
        _ => {
            let reason = "must be a string or a whole number".to_owned();
            let setting = format!("`{key}` in {}", path.display());
            return Err(ConfigError::Invalid { setting, reason });
        }
    };
    Ok((key, text))
}

#[cfg(test)]
mod tests {
    use super::super::settings::{BRANCH, LISTEN};
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headwater.conf");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let (_folder, path) = file("listen = \"3\"");
        let all = environment(&[("HEADWATER_LISTEN", "2")]);
        let none = environment(&[]);
        let flags = Flags::from([("listen", "1".to_owned())]);
        let without = Flags::new();
        let get = |flags, environment, file| {
            Layers::new(flags, environment, file).unwrap().get(&LISTEN).unwrap()
        };
        assert_eq!(get(&flags, &all, Some(&*path)), "1");
        assert_eq!(get(&without, &all, Some(&*path)), "2");
        assert_eq!(get(&without, &none, Some(&*path)), "3");
        assert_eq!(get(&without, &none, None), "127.0.0.1:8080");
    }

    #[test]
    fn a_setting_is_named_as_it_was_typed() {
        let (_folder, path) = file("listen = \"x\"");
        let named = |flags: &Flags, environment: &dyn Environment, file| {
            let layers = Layers::new(flags, environment, file).unwrap();
            let refused = layers.read(&LISTEN, super::super::values::address).err();
            refused.map(|error| error.to_string()).unwrap_or_default()
        };
        let (given, none) = (Flags::from([("listen", "x".to_owned())]), Flags::new());
        let of_environment = environment(&[("HEADWATER_LISTEN", "x")]);
        let (empty, reason) = (environment(&[]), "must be an address and a port such as");
        assert!(named(&given, &of_environment, None).starts_with(&format!("--listen {reason}")));
        let told = named(&none, &of_environment, Some(&*path));
        assert!(told.starts_with(&format!("HEADWATER_LISTEN {reason}")), "{told}");
        let told = named(&none, &empty, Some(&*path));
        let expected = format!("`listen` in {} {reason}", path.display());
        assert!(told.starts_with(&expected), "{told}");
        let older = environment(&[("CFP_DATA_BRANCH", "")]);
        let layers = Layers::new(&none, &older, None).unwrap();
        assert_eq!(layers.name_of(&BRANCH), "CFP_DATA_BRANCH");
    }

    #[test]
    fn the_older_names_are_read_and_give_way_to_ours() {
        let flags = Flags::new();
        let older = environment(&[("CFP_DATA_BRANCH", "published")]);
        let both = environment(&[("CFP_DATA_BRANCH", "published"), ("HEADWATER_BRANCH", "main")]);
        let get = |environment| Layers::new(&flags, environment, None).unwrap().get(&BRANCH);
        assert_eq!(get(&older).as_deref(), Some("published"));
        assert_eq!(get(&both).as_deref(), Some("main"));
    }

    #[test]
    fn a_file_with_an_unknown_key_a_secret_or_a_wrong_value_is_refused() {
        let flags = Flags::new();
        let none = environment(&[]);
        for text in ["listne = \"x\"", "reload_secret = \"0123456789abcdef\"", "listen = 1.5", "="]
        {
            let (_folder, path) = file(text);
            assert!(Layers::new(&flags, &none, Some(&path)).is_err(), "{text}");
        }
    }
}
