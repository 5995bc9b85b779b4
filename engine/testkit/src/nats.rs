//! Real NATS servers with JetStream, on ports of their own.

mod cluster;

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::netns::Machine;

pub use cluster::NatsCluster;

/// The port of a server on a machine of its own.
const PORT: u16 = 4222;

/// A running NATS server. Dropping the value kills it.
#[derive(Debug)]
pub struct NatsServer {
    setup: Setup,
    program: PathBuf,
    process: Option<Child>,
    address: SocketAddr,
    folder: TempDir,
}

/// How a server is started.
#[derive(Debug, Default)]
struct Setup {
    /// The file of its settings. Its addresses and its folder are those of the test all the same.
    config: Option<PathBuf>,
    /// The machine on which it runs, if that is another one than that of the tests.
    machine: Option<Machine>,
    /// Its place among several servers.
    seat: Option<Seat>,
}

/// The place of a server among several.
#[derive(Debug)]
struct Seat {
    name: String,
    route: SocketAddr,
    routes: Vec<SocketAddr>,
}

/// Returns the program of a NATS server: what `HEADWATER_NATS_SERVER` names, or what `.ci/nats` has
/// installed beside the build. Returns `None`, with a message, if there is none. In CI it must be
/// there.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn nats_server() -> Option<PathBuf> {
    let named = std::env::var_os("HEADWATER_NATS_SERVER").map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        root.expect("the testkit is two folders below the root").join("target")
    });
    let installed = target.join("nats/venv/bin/nats-server");
    let found = named.into_iter().chain([installed]).find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "a NATS server must be installed: run .ci/nats");
        eprintln!("not tested with a bus, because there is no NATS server: .ci/nats installs one");
    }
    found
}

impl NatsServer {
    /// Starts a server. Returns `None`, with a message, if there is no program.
    pub fn start() -> Option<Self> {
        Self::start_at(free_address(), Setup::default())
    }

    /// Starts a server with the settings of `config` on a machine. Returns `None`, with a message, if
    /// there is no program.
    pub fn start_on(machine: &Machine, config: &Path) -> Option<Self> {
        let address = SocketAddr::from((machine.address(), PORT));
        let (config, machine) = (Some(config.to_owned()), Some(machine.clone()));
        Self::start_at(address, Setup { config, machine, seat: None })
    }

    fn start_at(address: SocketAddr, setup: Setup) -> Option<Self> {
        let mut server = Self::prepare(setup, address)?;
        server.start_again();
        Some(server)
    }

    fn prepare(setup: Setup, address: SocketAddr) -> Option<Self> {
        let program = nats_server()?;
        let folder = tempfile::tempdir().expect("a folder can be made");
        Some(Self { setup, program, process: None, address, folder })
    }

    /// Returns the address that `--cluster` takes, for the cluster `name`.
    pub fn url(&self, name: &str) -> String {
        format!("nats://{}/{name}", self.address)
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its process, if it runs.
    pub fn process(&self) -> Option<&Child> {
        self.process.as_ref()
    }

    /// Kills the server. What it stored stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the server can be killed");
            process.wait().expect("the server ends");
        }
    }

    /// Starts a killed server again at the same address, and waits until it is ready.
    pub fn start_again(&mut self) {
        let mut process = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let log = BufReader::new(process.stderr.take().expect("the log is piped"));
        let mut lines = log.lines();
        let is_ready = |line: &String| line.contains("Server is ready");
        let ready = lines.by_ref().map_while(Result::ok).find(is_ready);
        assert!(ready.is_some(), "the NATS server has ended");
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let Setup { config, machine, seat } = &self.setup;
        let mut command = Command::new(&self.program);
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        command.args(["--addr", &host, "--port", &port, "--jetstream", "--store_dir"]);
        command.arg(self.folder.path());
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        if let Some(Seat { name, route, routes }) = seat {
            let routes: Vec<_> = routes.iter().map(|route| format!("nats://{route}")).collect();
            command.args(["--name", name, "--cluster_name", "headwater"]);
            command.args(["--cluster", &format!("nats://{route}"), "--routes", &routes.join(",")]);
            command.env("NATS_NAME", name);
        }
        match machine {
            Some(machine) => machine.running(&command),
            None => command,
        }
    }

    /// Removes everything that was stored. The server must be killed.
    pub fn forget(&mut self) {
        assert!(self.process.is_none(), "a running server has its files open");
        self.folder = tempfile::tempdir().expect("a folder can be made");
    }

    /// Returns a copy of what is stored. The server must be killed.
    pub fn stored(&self) -> TempDir {
        assert!(self.process.is_none(), "a running server writes");
        let copy = tempfile::tempdir().expect("a folder can be made");
        let mut command = Command::new("cp");
        command.arg("-a").arg(self.folder.path().join(".")).arg(copy.path());
        assert!(command.status().is_ok_and(|status| status.success()), "the folder can be copied");
        copy
    }

    /// Goes back to what was stored before. The server must be killed.
    pub fn go_back(&mut self, stored: TempDir) {
        assert!(self.process.is_none(), "a running server has its files open");
        self.folder = stored;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Returns a free port, below those that the system assigns by itself, so that it stays free while
/// the server is away.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
