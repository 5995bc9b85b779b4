//! The records that others refer to, for the same answer.

use std::sync::Arc;

use headwater_engine::budget::Budget;
use headwater_engine::query::Included;
use headwater_engine::record::Record;

use super::json_string::quoted;

/// Returns the approximate number of bytes that [`beside`] writes.
pub(super) fn room(included: &Included) -> usize {
    let records: usize = included.records.values().map(|records| records.len()).sum();
    included.bytes + 8 * records + 64
}

/// Writes the members for the included records.
pub(super) fn beside(included: &Included, out: &mut String, budget: &Budget) {
    out.push_str(",\"included\":{");
    for (at, (sheet, records)) in included.records.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&quoted(sheet.as_str()));
        out.push_str(":{");
        let affordable =
            |(_, record): &(_, &Arc<Record>)| budget.spend(record.value.as_str().len());
        for (at, (key, record)) in records.iter().take_while(affordable).enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            out.push_str(&quoted(key.as_str()));
            out.push(':');
            out.push_str(record.value.as_str());
        }
        out.push('}');
    }
    out.push('}');
    if included.is_cut {
        out.push_str(",\"includedCut\":true");
    }
}
