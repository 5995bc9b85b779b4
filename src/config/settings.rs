//! The single table of settings. Flags, environment names, the keys of the file, `--help` and the
//! table in the documentation all come from it.

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag, without its leading dashes.
    pub flag: &'static str,
    /// The kind of value, as `--help` shows it.
    pub value: &'static str,
    /// The default value.
    pub default: Option<&'static str>,
    /// The environment name in the system that Headwater replaces.
    pub alias: Option<&'static str>,
    /// Whether only the environment may hold it: others can read command lines and files.
    pub secret: bool,
    /// What it does, in one sentence.
    pub help: &'static str,
}

impl Setting {
    /// Returns the key in the file.
    pub fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Returns the environment name.
    pub fn env(&self) -> String {
        format!("HEADWATER_{}", self.key().to_uppercase())
    }
}

macro_rules! settings {
    ($($constant:ident = $flag:literal $value:literal $default:expr, $alias:expr, $secret:literal, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Setting = Setting {
                flag: $flag, value: $value, default: $default, alias: $alias, secret: $secret, help: $help,
            };
        )*

        /// Every setting, in the order in which `--help` lists them.
        pub const SETTINGS: &[Setting] = &[$($constant,)*];
    };
}

settings! {
    REPO = "repo" "DIR" None, Some("CFP_DATA_REPO_PATH"), false,
        "The local repository: a bare mirror or a work tree. Headwater clones a missing mirror from the remote. From a work tree, it serves only what is committed to the branch; default: the repository of the current directory";
    REMOTE = "remote" "URL" None, Some("CFP_DATA_REMOTE"), false,
        "The repository to fetch the branch from; default: the remote `origin` of a bare repository";
    BRANCH = "branch" "NAME" None, Some("CFP_DATA_BRANCH"), false,
        "The branch to serve; default: the branch of HEAD, or the only one";
    SHEETS = "sheets" "FILE" None, None, false,
        "Read this file instead of the `headwater.toml` of the commit";
    SAFE_DIRECTORY = "safe-directory" "LIST" Some(""), None, false,
        "Folders, separated by commas, of repositories to trust even if another user owns them, like git's `safe.directory`; `*` trusts all";
    LISTEN = "listen" "ADDR" Some("127.0.0.1:8080"), None, false,
        "The address and port to listen on; port 0 picks a free port and prints it";
    INTERNAL_LISTEN = "internal-listen" "ADDR" None, None, false,
        "Serve `/api/_internal` and `/metrics` on this separate address only";
    BASE_PATH = "base-path" "PATH" Some(""), None, false,
        "A path prefix of every route, for a reverse proxy that does not strip it";
    PUBLIC_URL = "public-url" "URL" None, None, false,
        "The address at which clients reach the server, with the base path, such as `https://data.example.org`; the API document names it";
    SOURCE_URL = "source-url" "URL" None, None, false,
        "The address of a line of a file at the forge, with `{commit}`, `{path}` and `{line}`, such as `https://github.com/owner/data/blob/{commit}/{path}#L{line}`; the explorer links problems to it";
    CORS_ORIGINS = "cors-origins" "LIST" Some(""), None, false,
        "Origins, separated by commas, whose pages may read the public routes; `*` for all";
    TRUSTED_PROXIES = "trusted-proxies" "LIST" Some(""), None, false,
        "Addresses and networks, separated by commas, of reverse proxies whose `X-Forwarded-For` is trusted";
    RELOAD_SECRET = "reload-secret" "TEXT" None, Some("CFP_DATA_RELOAD_SECRET"), true,
        "The secret that triggers reloads (`POST /api/_internal/reload-data`) and reads their reports, at least 16 bytes";
    RELOAD_SECRET_FILE = "reload-secret-file" "FILE" None, None, false,
        "A file with reload secrets, one per line; read again at each use";
    OPERATOR_SECRET = "operator-secret" "TEXT" None, None, true,
        "The secret that publishes held pushes and pins commits, at least 16 bytes";
    OPERATOR_SECRET_FILE = "operator-secret-file" "FILE" None, None, false,
        "A file with operator secrets, one per line; read again at each use";
    METRICS_SECRET = "metrics-secret" "TEXT" None, None, true,
        "The secret that reads `/metrics` and nothing else, at least 16 bytes; the reload secret works there, too";
    METRICS_SECRET_FILE = "metrics-secret-file" "FILE" None, None, false,
        "A file with metrics secrets, one per line; read again at each use";
    ACCESS_FILE = "access-file" "FILE" None, None, false,
        "A TOML file that defines who may read and write what: callers without a credential, tokens, and people who sign in by OpenID Connect; read again when it changes. Without it, everybody may read the public sheets";
    WRITE_TOKENS_FILE = "write-tokens-file" "FILE" None, None, false,
        "A TOML file of write tokens, each a `[[token]]` with `name`, `secret` and `author`; read again at each use. Without this file and without write access in `--access-file`, writes are off";
    REQUIRE_IF_MATCH = "require-if-match" "SWITCH" Some("off"), None, false,
        "`on` or `off`: whether a change of a record must name the version that it is based on";
    COMMITTER = "committer" "NAME" Some("Headwater <headwater@localhost>"), None, false,
        "The committer of API writes, as `Name <address>`; the author is the writer";
    ATTACHMENT_LIMIT = "attachment-limit" "BYTES" Some("10485760"), None, false,
        "The largest attachment that may be written";
    DURABILITY = "durability" "LEVEL" None, None, false,
        "When a write is acknowledged. `synced`, the default without a cluster: once it is on disk. `buffered`: before it is on disk, so a machine crash can lose the last writes. `replicated`, the default in a cluster: once it is on disk, and also on the disk of another replica or on the remote";
    PUSH = "push" "WHEN" Some("background"), None, false,
        "When to push API writes to the remote: in the `background`, `sync` (before the answer), or `off`";
    PUSH_INTERVAL = "push-interval" "SECONDS" Some("0"), None, false,
        "The least time between two pushes of API writes, such as 10 for a forge that limits pushes; 0 pushes as soon as something waits";
    ON_DIVERGENCE = "on-divergence" "POLICY" None, None, false,
        "What to do if the remote has new commits while commits of this server are unpushed. `refuse`, the default: do not publish the remote's head until an operator decides. `replay`: put this server's commits on top of it. `follow`: publish it, and keep this server's commits on a separate branch";
    UNPUSHED_LIMIT = "unpushed-limit" "N" None, None, false,
        "How many commits may wait to be pushed before writes are refused; default: no limit";
    REMOTE_TOKEN_FILE = "remote-token-file" "FILE" None, None, false,
        "A file with the token for an https remote, or `user:token`; read at each fetch";
    SSH_KEY_FILE = "ssh-key-file" "FILE" None, None, false,
        "The private key for an ssh remote";
    SSH_KNOWN_HOSTS_FILE = "ssh-known-hosts-file" "FILE" None, None, false,
        "The known hosts for an ssh remote; an unknown host is never accepted";
    PROXY = "proxy" "URL" None, None, false,
        "The proxy for an http remote; proxy variables of the environment are ignored";
    POLL_INTERVAL = "poll-interval" "SECONDS" Some("60"), None, false,
        "How often to poll the remote in case a webhook was lost; 0 turns it off";
    AUDIT_INTERVAL = "audit-interval" "SECONDS" Some("0"), None, false,
        "How often to load the published commit from scratch and compare it with the served state, such as 86400 for once a day; 0 turns it off";
    FETCH_TIMEOUT = "fetch-timeout" "SECONDS" Some("600"), None, false,
        "How long one fetch may take in total, including the check of the objects that it received";
    FETCH_LIMIT = "fetch-limit" "BYTES" Some("2147483648"), None, false,
        "How many bytes one fetch may transfer";
    RECORD_LIMIT = "record-limit" "BYTES" Some("1048576"), None, false,
        "The largest file to read as a record, and the largest record in a file of many records; a larger one is reported as a problem";
    FILE_LIMIT = "file-limit" "BYTES" Some("67108864"), None, false,
        "The largest file of many records to read; a larger one is reported as a problem";
    CACHE = "cache" "SWITCH" Some("on"), None, false,
        "`on` or `off`: whether to keep decoded records and the text index in the mirror, for faster restarts";
    QUARANTINE_LIMIT = "quarantine-limit" "N" Some("1000"), None, false,
        "How many problems a sheet with the policy `quarantine` may have before a push that adds more is refused";
    QUARANTINE_SHARE = "quarantine-share" "PERCENT" Some("50"), None, false,
        "The percentage of files with problems above which a sheet with the policy `quarantine` refuses a push that adds more";
    PUSH_REMOVED_LIMIT = "push-removed-limit" "PERCENT" None, None, false,
        "The percentage of a sheet's records that one push may remove. A push that removes more is held for an operator. Ten records may always be removed; default: no limit";
    PUSH_CHANGED_LIMIT = "push-changed-limit" "PERCENT" None, None, false,
        "The percentage of a sheet's records that one push may modify or remove. A push that changes more is held for an operator. Ten records may always be changed; default: no limit";
    PUSH_PROBLEMS_LIMIT = "push-problems-limit" "N" None, None, false,
        "How many new problems one push may add, in all sheets together. A push that adds more is held for an operator; default: no limit";
    PREVIEWS = "previews" "LIST" Some(""), None, false,
        "Branches, separated by commas, that readers may read with `?at=refs/heads/…`; a `*` at the end matches any ending";
    ALERT_URL = "alert-url" "URLS" None, None, true,
        "Addresses, separated by spaces, that get a JSON POST, once per cause, when something needs a person; prefix one with `slack+` for Slack's format";
    ALERT_AFTER = "alert-after" "SECONDS" Some("300"), None, false,
        "How long the remote may be unreachable before an alert";
    SUBSCRIBER_URL = "subscriber-url" "URLS" None, None, true,
        "Addresses, separated by spaces, that get a signed JSON POST with the changes after every publication";
    SUBSCRIBER_SECRET = "subscriber-secret" "TEXT" None, None, true,
        "The secret that signs messages to subscribers as Standard Webhooks specifies; at least 16 bytes, or a `whsec_` token";
    SUBSCRIBER_SECRET_FILE = "subscriber-secret-file" "FILE" None, None, false,
        "A file with subscriber secrets, one per line, each of which signs every message; read again at each use";
    OTLP_ENDPOINT = "otlp-endpoint" "URL" None, None, false,
        "An OpenTelemetry collector that gets a trace of each reload by OTLP over HTTP, such as `http://localhost:4318`";
    OTLP_HEADERS = "otlp-headers" "LIST" None, None, true,
        "Headers for the collector, as `name=value,name=value` with percent-encoded values";
    CLUSTER = "cluster" "URL" None, None, false,
        "Join a cluster as a replica. `nats://HOST:PORT,HOST:PORT/NAME?replicas=N` names the NATS servers, the cluster, and how many of these servers store its register, on which the replicas agree; `tls://` encrypts the connections";
    CLUSTER_URL = "cluster-url" "URL" None, None, false,
        "The address at which the other replicas reach this one's `--internal-listen`, such as `http://headwater-1.headwater-peers:8081`";
    CLUSTER_SECRET = "cluster-secret" "TEXT" None, None, true,
        "The secret that the replicas of a cluster share, at least 16 bytes";
    CLUSTER_SECRET_FILE = "cluster-secret-file" "FILE" None, None, false,
        "A file with cluster secrets, one per line: the first one signs, and each is accepted; read at the start";
    CLUSTER_CREDS_FILE = "cluster-creds-file" "FILE" None, None, false,
        "The file with the credentials for NATS";
    CLUSTER_LEASE = "cluster-lease" "SECONDS" Some("15"), None, false,
        "How long the leader may be silent before another replica leads; at least 3";
    CLUSTER_LEAD = "cluster-lead" "SWITCH" Some("on"), None, false,
        "`on` or `off`: whether this replica may lead";
    CLUSTER_FETCH = "cluster-fetch" "SOURCE" Some("peer"), None, false,
        "Where a follower fetches objects first: `peer` or `remote`. Choose `remote` if it is nearer";
    CLUSTER_ALONE = "cluster-alone" "SWITCH" Some("on"), None, false,
        "`on` or `off`: whether a replica polls the remote by itself after two leases without a leader. With `off`, it keeps serving its last commit";
    MAX_CONNECTIONS = "max-connections" "N" Some("1024"), None, false,
        "How many connections may be open at once. If there are more, idle ones are closed, and then those whose requests only wait, for a publication or a push; while there are none, as many further ones wait";
    QUERY_BUDGET = "query-budget" "MS" Some("100"), None, false,
        "How many milliseconds of processor time one answer may use before it is refused as `too_costly`; 0 means no limit";
    INIT_TIMEOUT = "init-timeout" "SECONDS" Some("300"), None, false,
        "How long a first start, with nothing else to serve, waits for an unreachable remote";
    SHUTDOWN_TIMEOUT = "shutdown-timeout" "SECONDS" Some("25"), None, false,
        "How long open requests may take to finish after SIGTERM";
    LOG = "log" "FILTER" Some("info"), None, false,
        "The log filter, such as `info` or `headwater=debug`";
    LOG_FORMAT = "log-format" "FORMAT" Some("auto"), None, false,
        "`human`, `json`, or `auto`: human on a terminal";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_one_name_and_a_sentence() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.flag).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        assert!(SETTINGS.iter().all(|setting| !setting.help.ends_with('.')));
    }

    #[test]
    fn the_book_lists_every_setting_as_it_is() {
        let book = include_str!("../../docs/settings.md");
        let aliases = include_str!("../../docs/code-for-philly.md");
        for setting in SETTINGS {
            let flag = match setting.secret {
                true => "–".to_owned(),
                false => format!("`--{} {}`", setting.flag, setting.value),
            };
            let default = setting.default.filter(|text| !text.is_empty());
            let default = default.map(|text| format!("`{text}`")).unwrap_or_default();
            let help = setting.help;
            let row = format!("| {flag} | `{}` | {default} | {help} |", setting.env());
            assert!(book.contains(&row), "the book lacks the row\n{row}");
            if let Some(alias) = setting.alias {
                let row = format!("| `{}` | `{alias}` |", setting.env());
                assert!(aliases.contains(&row), "the book lacks the row\n{row}");
            }
        }
    }

    #[test]
    fn names_follow_one_pattern() {
        assert_eq!(POLL_INTERVAL.env(), "HEADWATER_POLL_INTERVAL");
        assert_eq!(POLL_INTERVAL.key(), "poll_interval");
    }
}
