//! Several servers as one: a register in NATS says who leads and what is served.
//!
//! The leader alone asks the remote, judges pushes and publishes; each publication is a change of the
//! register. The others go where the register says, and prove by the digest that they are the same.
//! There is no consensus here: the compare-and-set of the register is that of NATS.
//!
//! [`lead`] decides, without a clock and without I/O. [`member`] drives it. Nothing here runs without
//! `--cluster`.

pub mod clock;
pub mod counts;
pub mod engine_link;
pub mod lead;
pub mod member;
pub mod nats;
mod peers;
pub mod present;
pub mod register;
pub mod remembered;
pub mod safe;
pub mod seal;
pub mod terms;
