//! Files of many records: how one was cut, and what a change of its bytes changes.
//!
//! A [`Table`] is a function of the path, the definition and the content of one file. It says where
//! each record begins and what it is called, and shares with the table of an earlier content all
//! that is the same. The records themselves are in the slots of their sheet.

mod difference;
mod naming;
mod place;
mod reading;
mod row;
mod source;
mod table;

pub(crate) use difference::change;
pub(crate) use place::first_name;
pub(crate) use reading::{Reading, read};
pub use reading::{Sought, seek};
pub(crate) use source::Source;
pub use table::Table;
pub(crate) use table::{Held, TableChange};

#[cfg(test)]
mod tests;
