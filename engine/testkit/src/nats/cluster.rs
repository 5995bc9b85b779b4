//! Three NATS servers that keep one register.

use std::net::SocketAddr;
use std::path::Path;

use super::{NatsServer, PORT, Seat, Setup, free_address};
use crate::netns::Machine;

/// The port at which a server on a machine of its own reaches the others.
const ROUTES: u16 = 6222;

/// Three running NATS servers, any one of which may be lost. Dropping the value kills them.
#[derive(Debug)]
pub struct NatsCluster([NatsServer; 3]);

/// Where one of them is.
struct Place {
    address: SocketAddr,
    route: SocketAddr,
    machine: Option<Machine>,
}

impl NatsCluster {
    /// Starts three servers with the settings of `config`, which may use the variable `NATS_NAME`.
    /// Returns `None`, with a message, if there is no program.
    pub fn start(config: &Path) -> Option<Self> {
        let place = || Place { address: free_address(), route: free_address(), machine: None };
        Self::start_at([place(), place(), place()], config)
    }

    /// Starts one on each machine.
    pub fn start_on(machines: [&Machine; 3], config: &Path) -> Option<Self> {
        let place = |machine: &Machine| {
            let at = |port| SocketAddr::from((machine.address(), port));
            Place { address: at(PORT), route: at(ROUTES), machine: Some(machine.clone()) }
        };
        Self::start_at(machines.map(place), config)
    }

    fn start_at(places: [Place; 3], config: &Path) -> Option<Self> {
        let routes = places.each_ref().map(|place| place.route);
        let prepare = |(place, name): (Place, &str)| {
            let Place { address, route, machine } = place;
            let seat = Seat { name: name.to_owned(), route, routes: routes.to_vec() };
            let config = Some(config.to_owned());
            NatsServer::prepare(Setup { config, machine, seat: Some(seat) }, address)
        };
        let [one, two, three] = places;
        let named = [(one, "nats-1"), (two, "nats-2"), (three, "nats-3")];
        let [Some(one), Some(two), Some(three)] = named.map(prepare) else { return None };
        let mut servers = [one, two, three];
        servers.iter_mut().for_each(NatsServer::start_again);
        Some(Self(servers))
    }

    /// Returns the address that `--cluster` takes, for the cluster `name`.
    pub fn url(&self, name: &str) -> String {
        let hosts = self.0.each_ref().map(|server| server.address().to_string());
        format!("nats://{}/{name}?replicas=3", hosts.join(","))
    }

    /// Returns the servers.
    pub fn servers(&mut self) -> &mut [NatsServer; 3] {
        &mut self.0
    }
}
