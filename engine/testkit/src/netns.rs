//! Machines that are namespaces of the network, with links between them that can be cut.
//!
//! Each [`Machine`] is a namespace with one address. All of them, and the tests themselves, are joined by
//! a router, which is a namespace, too. A cut is a rule of the router that drops what comes from one
//! address and goes to another: nobody gets an error, and open connections stay open, as in a network
//! that fails. It needs Linux, `ip` and root.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

/// A network of machines. Dropping it removes them, so whatever runs there must have ended.
#[derive(Debug)]
pub struct Network {
    /// The number of the network, of which two exist never at once.
    number: u16,
    namespaces: Mutex<Vec<String>>,
    cuts: Mutex<Vec<Cut>>,
}

/// A machine of a network. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Machine {
    namespace: String,
    address: Ipv4Addr,
}

/// What is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    from: Ipv4Addr,
    to: Ipv4Addr,
}

/// The last part of the address of the router.
const ROUTER: u8 = 254;

/// The last parts of the addresses of the tests. They can be cut off one by one.
const TESTS: [u8; 2] = [1, 2];

/// The last part of the address of the first machine.
const FIRST: u8 = 11;

/// The most networks at once.
const NETWORKS: u16 = 512;

const UNPOISONED: &str = "no thread panics while it holds the lock";

impl Network {
    /// Builds a network without machines. Returns `None` if this process may not, and says so where
    /// it is seen, even if the test that asks passes. Where `HEADWATER_NETNS` is set, it must be able to.
    pub fn build() -> Option<Self> {
        match Self::try_build() {
            Ok(network) => Some(network),
            Err(reason) => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                let is_required = std::env::var_os("HEADWATER_NETNS").is_some();
                assert!(!is_required, "{test}: {reason}");
                // The harness shows what a passing test writes with `eprintln!` to nobody.
                let told = format!("NOT RUN: {test}: no namespaces of the network: {reason}\n");
                let _ = std::io::stderr().write_all(told.as_bytes());
                None
            }
        }
    }

    fn try_build() -> Result<Self, String> {
        let first = std::process::id() as u16 % NETWORKS;
        let mut reason = String::new();
        for number in (first..NETWORKS).chain(0..first) {
            // Whoever can add the namespace of the router has the number.
            match run(ip().args(["netns", "add", &router(number)])) {
                Ok(()) => {
                    let network = Self {
                        number,
                        namespaces: Mutex::new(vec![router(number)]),
                        cuts: Mutex::default(),
                    };
                    network.begin()?;
                    return Ok(network);
                }
                Err(error) if error.contains("File exists") => reason = error,
                Err(error) => return Err(error),
            }
        }
        Err(reason)
    }

    /// Joins the tests to the router.
    fn begin(&self) -> Result<(), String> {
        let router = router(self.number);
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        run(ip().args(["netns", "exec", &router, "sh", "-c", forward]))?;
        batch(&router, "link set lo up")?;
        let link = format!("hw{}", self.number);
        let gate = self.address(ROUTER);
        run(ip()
            .args(["link", "add", &link, "type", "veth", "peer", "name", "tests"])
            .args(["netns", &router]))?;
        let [first, second] = TESTS.map(|last| self.address(last));
        let network = self.address(0);
        batch(
            &router,
            &format!(
                "addr add {gate}/32 dev tests
                 link set tests up
                 route add {first}/32 dev tests
                 route add {second}/32 dev tests"
            ),
        )?;
        // These are in the namespace of the tests.
        for words in [
            format!("addr add {first}/32 dev {link}"),
            format!("addr add {second}/32 dev {link}"),
            format!("link set {link} up"),
            format!("route add {gate}/32 dev {link} src {first}"),
            format!("route add {network}/24 via {gate} dev {link} src {first}"),
        ] {
            run(ip().args(words.split(' ')))?;
        }
        Ok(())
    }

    /// Adds a machine.
    ///
    /// # Panics
    /// Panics if it cannot be made.
    pub fn machine(&self) -> Machine {
        let mut namespaces = lock(&self.namespaces);
        let last = FIRST + namespaces.len() as u8 - 1;
        let (address, gate) = (self.address(last), self.address(ROUTER));
        let namespace = format!("hw{}-{last}", self.number);
        let router = router(self.number);
        let made = run(ip().args(["netns", "add", &namespace]))
            .and_then(|()| {
                batch(
                    &router,
                    &format!("link add m{last} type veth peer name eth0 netns {namespace}"),
                )
            })
            .and_then(|()| {
                batch(
                    &router,
                    &format!(
                        "addr add {gate}/32 dev m{last}
                         link set m{last} up
                         route add {address}/32 dev m{last}"
                    ),
                )
            })
            .and_then(|()| {
                batch(
                    &namespace,
                    &format!(
                        "link set lo up
                         addr add {address}/32 dev eth0
                         link set eth0 up
                         route add {gate}/32 dev eth0
                         route add default via {gate} dev eth0"
                    ),
                )
            });
        namespaces.push(namespace.clone());
        made.expect("a machine can be added");
        Machine { namespace, address }
    }

    /// Returns the two addresses of the tests, on which they can be reached from all machines.
    pub fn tests(&self) -> [Ipv4Addr; 2] {
        TESTS.map(|last| self.address(last))
    }

    /// Drops what comes from one address and goes to another, from now on.
    ///
    /// # Panics
    /// Panics if the router does not take the rule.
    pub fn cut(&self, from: Ipv4Addr, to: Ipv4Addr) {
        let cut = Cut { from, to };
        self.rule("add", cut).expect("a link can be cut");
        lock(&self.cuts).push(cut);
    }

    /// Drops what goes from either address to the other.
    ///
    /// # Panics
    /// As [`Self::cut`].
    pub fn sever(&self, one: Ipv4Addr, other: Ipv4Addr) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Lets everything pass again.
    ///
    /// # Panics
    /// Panics if the router does not take back a rule.
    pub fn mend(&self) {
        for cut in lock(&self.cuts).drain(..) {
            self.rule("del", cut).expect("a link can be mended");
        }
    }

    fn rule(&self, verb: &str, Cut { from, to }: Cut) -> Result<(), String> {
        let rule = format!("rule {verb} from {from} to {to} blackhole");
        batch(&router(self.number), &rule)
    }

    /// Returns an address of the network: one of those that are reserved for tests of networks.
    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18 + (self.number / 256) as u8, (self.number % 256) as u8, last)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The links go with the namespaces at their ends.
        for namespace in lock(&self.namespaces).iter().rev() {
            let _ = run(ip().args(["netns", "del", namespace]));
        }
        let _ = run(ip().args(["link", "del", &format!("hw{}", self.number)]));
    }
}

impl Machine {
    /// Returns its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns a command that runs `command` on this machine, as the same process.
    pub fn running(&self, command: &Command) -> Command {
        let mut there = ip();
        there.args(["netns", "exec", &self.namespace]).arg(command.get_program());
        there.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            there.current_dir(folder);
        }
        there
    }
}

fn router(number: u16) -> String {
    format!("hw{number}-router")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect(UNPOISONED)
}

/// The program, which is not in the path of everybody.
fn ip() -> Command {
    let places = ["/usr/sbin/ip", "/sbin/ip"].map(PathBuf::from);
    let found = places.iter().map(PathBuf::as_path).find(|place| place.is_file());
    Command::new(found.unwrap_or(Path::new("ip")))
}

/// Runs lines of `ip` in a namespace.
fn batch(namespace: &str, lines: &str) -> Result<(), String> {
    let mut command = ip();
    command.args(["-n", namespace, "-batch", "-"]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| told(&command, &error.to_string()))?;
    if let Some(mut stdin) = process.stdin.take() {
        let lines: String = lines.lines().map(|line| format!("{}\n", line.trim())).collect();
        // It ends at the first line that fails.
        let _ = stdin.write_all(lines.as_bytes());
    }
    let output = process.wait_with_output().map_err(|error| told(&command, &error.to_string()))?;
    ended(&command, &output)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| told(command, &error.to_string()))?;
    ended(command, &output)
}

fn ended(command: &Command, output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(told(command, said.trim())) }
}

fn told(command: &Command, reason: &str) -> String {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    format!("ip {}: {reason}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Returns whether a connection from the tests to `listener`, which a machine reaches, is made.
    fn connects(machine: &Machine, listener: &TcpListener) -> bool {
        let address = listener.local_addr().unwrap();
        let mut word = Command::new("bash");
        word.arg("-c").arg(format!("echo here >/dev/tcp/{}/{}", address.ip(), address.port()));
        let mut process = machine.running(&word).spawn().unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut said = String::new();
        for _ in 0..100 {
            if let Ok((mut stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                stream.read_to_string(&mut said).unwrap();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        said == "here\n"
    }

    #[test]
    fn a_link_is_cut_in_one_direction_or_in_both_and_mended() {
        let Some(network) = Network::build() else { return };
        let (one, other) = (network.machine(), network.machine());
        let [first, second] = network.tests();
        let listeners = [first, second].map(|ours| TcpListener::bind((ours, 0)).unwrap());
        let reached = |machine: &Machine| listeners.each_ref().map(|l| connects(machine, l));
        assert_eq!((reached(&one), reached(&other)), ([true, true], [true, true]));
        network.cut(one.address(), first);
        assert_eq!((reached(&one), reached(&other)), ([false, true], [true, true]));
        network.mend();
        // Nobody can connect if the answers are lost.
        network.cut(second, other.address());
        assert_eq!((reached(&one), reached(&other)), ([true, true], [true, false]));
        network.sever(other.address(), first);
        assert_eq!(reached(&other), [false, false]);
        network.mend();
        assert_eq!(reached(&other), [true, true]);
        assert!(TcpStream::connect((first, listeners[0].local_addr().unwrap().port())).is_ok());
    }
}
