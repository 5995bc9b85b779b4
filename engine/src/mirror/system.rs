//! Errors of the local system: a full disk, a failed call.

use std::io;

/// Returns whether one of the causes is a full disk.
pub(crate) fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    any_io(error, &|io| {
        matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    })
}

/// Returns whether one of the causes is that the local system refused a call unrelated to a
/// connection: a full or unreadable disk, too many open files.
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
        // A missing program or folder is the fault of the address.
        let of_address = matches!(io.kind(), Kind::NotFound | Kind::PermissionDenied);
        io.raw_os_error().is_some() && !of_connection && !of_address
    });
    refused || is_disk_full(error)
}

/// Searches the causes for an I/O error, through every wrapping.
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
