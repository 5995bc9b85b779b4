//! Writers: clients that change one field of records, and wait for the answer to each change.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater_engine::id::CommitId;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::routes::record_path;
use crate::samples::Samples;
use crate::server::Server;

/// The token of the writers.
const TOKEN: &str = "the-write-token-of-the-benchmarks";

/// The number of records that they write to.
const RECORDS: usize = 64;

/// The pause before a change is sent again. It leaves the cores to what is measured.
const PAUSE: Duration = Duration::from_millis(5);

/// Writes the file of the token into `folder`; returns the setting of a server that names it.
pub fn tokens_setting(folder: &Path) -> (&'static str, String) {
    let file = folder.join("tokens.toml");
    let text =
        format!("[[token]]\nname = \"w\"\nsecret = \"{TOKEN}\"\nauthor = \"W <w@localhost>\"\n");
    std::fs::write(&file, text).expect("a file can be written");
    let file = file.into_os_string().into_string().expect("the path is text");
    ("HEADWATER_WRITE_TOKENS_FILE", file)
}

/// Clients that write to the first records of the largest sheet.
///
/// They set the field `bio`: people of the corpus have it, and an inferred sheet takes any field.
pub struct Writers {
    paths: Vec<String>,
    /// The number in the next change, so that no two are equal.
    next: AtomicU64,
}

/// What clients have written.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// From each request to its answer, in milliseconds.
    pub times: Samples,
    /// How long the clients wrote, in seconds.
    pub seconds: f64,
}

impl Written {
    /// Returns how many changes were acknowledged in a second.
    pub fn rate(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }
}

impl Writers {
    /// Finds the records that `server` lets them write to.
    ///
    /// # Panics
    /// Panics if it has none.
    pub fn of(server: &Server) -> Self {
        let read = |path: &str| -> Value {
            serde_json::from_slice(&server.read(path)).expect("a list is JSON")
        };
        let items = |list: &Value| list["items"].as_array().cloned().unwrap_or_default();
        let sheets = items(&read("/api/_sheets"));
        let largest = sheets.iter().max_by_key(|sheet| sheet["records"].as_u64());
        let sheet = largest.and_then(|sheet| sheet["name"].as_str()).expect("there is a sheet");
        let records = items(&read(&format!("/api/{sheet}?perPage={RECORDS}")));
        let keys = records.iter().filter_map(|record| record["key"].as_str());
        let paths: Vec<_> = keys.map(|key| record_path(sheet, key)).collect();
        assert!(!paths.is_empty(), "the sheet {sheet} has no record to write to");
        Self { paths, next: AtomicU64::new(1) }
    }

    /// Returns the paths of their records.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Lets `clients` write for `time`, each to records of its own and one change after the other.
    ///
    /// # Panics
    /// Panics if a change is not acknowledged.
    pub fn write(&self, address: SocketAddr, clients: usize, time: Duration) -> Written {
        let begun = Instant::now();
        let client = |client: usize| {
            let mut connection = Connection::open(address).expect("the server listens");
            let mut times = Samples::default();
            let own = self.paths.iter().skip(client).step_by(clients).cycle();
            for path in own.take_while(|_| begun.elapsed() < time) {
                let request = patch(path, self.number(), "");
                times.time(|| {
                    let (status, body) = connection.send(&request).expect("the server answers");
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
                });
            }
            times
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..clients).map(|n| scope.spawn(move || client(n))).collect();
            let mut times = Samples::default();
            for client in clients {
                times.extend(&client.join().expect("a client does not panic"));
            }
            Written { times, seconds: begun.elapsed().as_secs_f64() }
        })
    }

    /// Sends one change again and again until it is acknowledged, and returns its commit.
    ///
    /// It has an `Idempotency-Key`, so it is made once, whoever answers.
    pub fn write_until_acknowledged(&self, address: SocketAddr) -> CommitId {
        let number = self.number();
        let path = &self.paths[number as usize % self.paths.len()];
        let request = patch(path, number, &format!("idempotency-key: change-{number}\r\n"));
        loop {
            let mut connection = Connection::open(address).expect("the server listens");
            if let Ok((200, body)) = connection.send(&request) {
                let answer: Value = serde_json::from_slice(body).expect("the answer is JSON");
                let commit = answer["commit"].as_str().and_then(|commit| commit.parse().ok());
                return commit.expect("the answer names its commit");
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Returns the bytes of the change `number` of the record at `path`, with further `headers`.
fn patch(path: &str, number: u64, headers: &str) -> Vec<u8> {
    let body = json!({ "bio": format!("The change number {number}.") }).to_string();
    format!(
        "PATCH {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n{headers}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
