//! What our own system refuses: a disk that is full, a call that fails.

use std::io;

/// Says whether one of the causes is that no space is left.
pub(crate) fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    any_io(error, &|io| {
        matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    })
}

/// Says whether one of the causes is that our own system refused a call that has nothing to do
/// with a connection: a full disk, one that cannot be read, too many open files.
pub(crate) fn is_of_our_side(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind as Kind;
    let refused = any_io(error, &|io| {
        let of_connection = matches!(
            io.kind(),
            Kind::AddrNotAvailable
                | Kind::BrokenPipe
                | Kind::ConnectionAborted
                | Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::HostUnreachable
                | Kind::NetworkDown
                | Kind::NetworkUnreachable
                | Kind::NotConnected
                | Kind::TimedOut
                | Kind::UnexpectedEof
                | Kind::WouldBlock
        );
        // A program or a folder that is not there is the address's fault.
        let of_address = matches!(io.kind(), Kind::NotFound | Kind::PermissionDenied);
        io.raw_os_error().is_some() && !of_connection && !of_address
    });
    refused || is_disk_full(error)
}

/// Looks for an error of input and output among the causes, through every wrapping.
fn any_io(error: &(dyn std::error::Error + 'static), is: &dyn Fn(&io::Error) -> bool) -> bool {
    let of_io = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(is)
    };
    if let Some(error) = error.downcast_ref::<gix::Error>()
        && error.iter_errors().any(of_io)
    {
        return true;
    }
    of_io(error)
        || error.source().is_some_and(|source| any_io(source, is))
        || error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .is_some_and(|inner| any_io(inner, is))
}
