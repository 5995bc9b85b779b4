//! Whether an object exists, and what it is, without reading it.

use gix::objs::Kind;

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
    received.header(id).map(|header| header.kind())
}
