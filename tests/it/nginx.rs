//! A real nginx with a cache in front of a server.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A caching proxy. It caches everything that headers do not forbid, for as long as they allow.
pub(crate) struct Nginx {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one in front of `server`. Returns `None`, with a message, if it is not installed. In
    /// CI it must be.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn before(server: SocketAddr) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // Nobody else takes the port in between, unless the system assigns the same one to another
        // test.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let configuration = folder.path().join("nginx.conf");
        let place = folder.path().display();
        std::fs::write(&configuration, configured(&place.to_string(), address, server)).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&configuration).arg("-p").arg(folder.path()).arg("-e").arg("stderr");
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "nginx must be installed: {error}");
                eprintln!("not tested behind a cache, because nginx cannot be started: {error}");
                return None;
            }
        };
        while TcpStream::connect(address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "nginx has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { process, address, _folder: folder })
    }

    /// Returns the address of `path` behind the cache.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn configured(place: &str, address: SocketAddr, server: SocketAddr) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|name| format!("{name}_temp_path {place}/{name};"));
    format!(
        "daemon off; master_process off; pid {place}/pid;
         events {{ worker_connections 128; }}
         http {{
           access_log off; {}
           proxy_cache_path {place}/cache levels=1 keys_zone=all:4m use_temp_path=off;
           server {{
             listen {address};
             location / {{
               proxy_pass http://{server};
               proxy_http_version 1.1;
               proxy_set_header Host $http_host;
               proxy_cache all;
               # Each test has a cache of its own.
               proxy_cache_key $http_x_cache$request_uri;
               # Of what an answer says nothing of, caches think something up.
               proxy_cache_valid any 10m;
               add_header X-Cache $upstream_cache_status always;
             }}
           }}
         }}",
        folders.join(" ")
    )
}
