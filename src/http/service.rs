//! The service that answers the requests of all connections.

use std::convert::Infallible;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use tower::Service;

/// A service that answers the requests of all connections.
pub trait Interface:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Unpin
    + 'static
{
}

impl<S> Interface for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Unpin
        + 'static
{
}
