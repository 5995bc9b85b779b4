//! Whether an object exists, and what it is, without reading it.

use gix::objs::Kind;
use gix::odb::Header as _;

use crate::mirror::objects::kind_name;
use crate::mirror::{ObjectError, Objects};

/// Checks that an object exists and is of the kind `wanted`.
pub(super) fn check_kind(
    received: &Objects,
    id: gix::ObjectId,
    wanted: Kind,
) -> Result<(), ObjectError> {
    match kind_of(received, id)? {
        found if found == wanted => Ok(()),
        found => {
            let (found, wanted) = (kind_name(found), kind_name(wanted));
            Err(ObjectError::WrongKind { id: id.to_string(), found, wanted })
        }
    }
}

pub(super) fn kind_of(received: &Objects, id: gix::ObjectId) -> Result<Kind, ObjectError> {
    header_of(received, id).map(|header| header.kind())
}

pub(super) fn header_of(
    received: &Objects,
    id: gix::ObjectId,
) -> Result<gix::odb::find::Header, ObjectError> {
    let header = received.repo.objects.try_header(&id);
    let header = header.map_err(|error| ObjectError::unreadable(&id, error))?;
    header.ok_or_else(|| ObjectError::missing(&received.repo, &id))
}
