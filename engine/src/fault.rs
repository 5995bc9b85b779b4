//! Fault points: named places where a test makes the engine fail, before and after each durable or
//! visible step.
//!
//! Without the feature `faults`, they are not compiled into the program.

use std::io;

/// Every point, in order of execution.
pub const POINTS: &[&str] = &[
    "open.locked",
    "open.head",
    "open.load",
    "open.cache",
    "open.ready",
    "fetch.connect",
    "fetch.listed",
    "fetch.quarantine",
    "fetch.receive",
    "fetch.received",
    "fetch.check",
    "fetch.checked",
    "fetch.pack",
    "fetch.index",
    "fetch.released",
    "fetch.ref",
    "fetch.done",
    "ref.locked",
    "ref.written",
    "ref.renamed",
    "reload.judge",
    "reload.prepare",
    "load.layout",
    "load.diff",
    "load.diffed",
    "load.read",
    "load.decode",
    "load.decoded",
    "load.apply",
    "load.applied",
    "reload.admit",
    "reload.admitted",
    "text.build",
    "text.built",
    "branch.move",
    "branch.moved",
    "swap.done",
    "note.write",
    "note.written",
    "hold.note",
    "conflict.keep",
    "conflict.kept",
    "pin.build",
    "pin.noted",
    "audit.build",
    "audit.built",
    "write.begin",
    "write.pack",
    "write.packed",
    "write.branch",
    "write.moved",
    "write.published",
    "push.begin",
    "push.sent",
    "push.conflict",
    "push.note",
    "push.noted",
    "rebase.rehearse",
    "rebase.rehearsed",
    "rebase.begin",
    "rebase.store",
    "rebase.stored",
    "rebase.noted",
    "tidy.compact",
    "tidy.merged",
    "tidy.compacted",
    "tidy.repack",
    "tidy.repacked",
    "tidy.cache",
    "tidy.cache_written",
    "tidy.cached",
];

/// A point in a step that can fail: the error of the test becomes an error of the step.
#[cfg(feature = "faults")]
pub(crate) fn point(name: &'static str) -> io::Result<()> {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    fail::fail_point!(name, |_| Err(io::Error::other(format!("fault at {name}"))));
    Ok(())
}

/// A point in a step that can fail only by a panic: an error becomes a panic here.
#[cfg(feature = "faults")]
pub(crate) fn step(name: &'static str) {
    if let Err(error) = point(name) {
        panic!("{error}");
    }
}

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) fn point(_name: &'static str) -> io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) fn step(_name: &'static str) {}
