//! Files of many records: how a file was cut, and which records a change of its bytes affects.
//!
//! A [`Table`] is a function of the path, the definition and the content of one file. It has the
//! position and name of each record, and shares all unchanged parts with the table of an earlier
//! content. The records themselves are in the slots of their sheet.

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
