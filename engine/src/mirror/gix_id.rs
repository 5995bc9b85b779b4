//! Ids as gix has them.

use crate::id::CommitId;

pub(super) fn object_id(commit: CommitId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*commit.as_bytes())
}

pub(super) fn commit_id(id: &gix::oid) -> CommitId {
    CommitId::from_bytes(sha1(id))
}

pub(super) fn sha1(id: &gix::oid) -> [u8; 20] {
    id.as_bytes().try_into().expect("repositories of another hash are refused at opening")
}
