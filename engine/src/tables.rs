//! Files of many records: how a file was cut, and which records a change of its bytes affects.
//!
//! A [`Table`] is a function of the path, the definition and the content of one file. It has the
//! position and name of each record, and shares all unchanged parts with the table of an earlier
//! content. The records themselves are in the slots of their sheet.

mod difference;
mod naming;
mod record_position;
mod read_file;
mod row;
mod source;
mod table;
mod unseen;

pub(crate) use difference::change;
pub use read_file::{LookupResult, seek};
pub(crate) use read_file::{ReadOutcome, read, read_shared};
pub(crate) use record_position::first_name;
pub(crate) use source::Source;
pub use table::Table;
pub(crate) use table::{PreviousRecords, TableChange};
pub(crate) use unseen::Unseen;

#[cfg(test)]
mod tests;
