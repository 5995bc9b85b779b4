//! A bare handler, which shows the cost of a read whose answer is a constant.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use headwater::http::accept_loop::{Limits, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A server in this process whose only handler returns a constant, behind the accept loop of
/// Headwater. Dropping it stops it.
pub struct Bare {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Bare {
    /// Serves `body` at every path.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub fn start(body: Vec<u8>) -> Self {
        let body = Bytes::from(body);
        let constant = move || async move { ([(CONTENT_TYPE, "application/json")], body.clone()) };
        let router = Router::new().fallback(get(constant));
        let runtime = Runtime::new().expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let served =
            serve(listener, router, Limits::default(), CancellationToken::new(), Duration::ZERO);
        runtime.spawn(served);
        Self { address, _runtime: runtime }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
