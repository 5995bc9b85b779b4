//! What the text index reads of a record: the bridge between a sheet's fields and search slots.

use crate::layout::SheetSpec;
use crate::record::Record;
use crate::search::{Slot, Slots};
use crate::value::{Json, Kind};

/// The boost of every string field where a sheet declares no search fields.
const PLAIN: f32 = 1.0;

/// Returns the boosts that the sheet's search fields have.
pub(crate) fn boosts(spec: &SheetSpec) -> Vec<f32> {
    match &spec.search {
        Some(fields) => fields.iter().map(|(_, boost)| *boost).collect(),
        None => vec![PLAIN],
    }
}

/// Reports the texts of `record` to `emit`, each in the slot of its boost. Linear in the value.
pub(crate) fn texts(
    spec: &SheetSpec,
    record: &Record,
    slots: &Slots,
    emit: &mut dyn FnMut(Slot, &str),
) {
    match &spec.search {
        Some(fields) => {
            for (field, boost) in fields {
                let slot = slots.slot(*boost);
                record.value.visit(field, &mut |json| strings(json, slot, emit));
            }
        }
        None => strings(record.value.json(), slots.slot(PLAIN), emit),
    }
}

/// Reports every string in `json`, in the order of the text.
fn strings(json: Json<'_>, slot: Slot, emit: &mut dyn FnMut(Slot, &str)) {
    match json.kind() {
        Kind::String => emit(slot, &json.as_string().unwrap_or_default()),
        Kind::Array => json.elements().for_each(|element| strings(element, slot, emit)),
        Kind::Object => json.members().for_each(|(_, member)| strings(member, slot, emit)),
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
}
