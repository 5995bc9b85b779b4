//! The parts of a record that the text index reads: the link between the fields of a sheet and
//! search slots.

use crate::layout::SheetSpec;
use crate::record::Record;
use crate::search::{Slot, Slots};
use crate::value::{FieldPath, Json, Kind};

/// The boost of every string field in a sheet that declares no search fields.
const PLAIN: f32 = 1.0;

/// The boost of keys: a search for the name of a record should find that record.
const KEY: f32 = 2.0;

/// The field name that stands for the key.
pub(crate) const KEY_FIELD: &str = "_key";

/// Returns the slots for the boosts of keys and of all searched fields in some sheets. A sheet
/// without declared search fields searches every field equally.
pub(crate) fn slots<'a>(sheets: impl Iterator<Item = &'a SheetSpec>) -> Slots {
    let mut boosts: Vec<f32> = sheets.flat_map(boosts).collect();
    if boosts.is_empty() {
        boosts.push(PLAIN);
    }
    boosts.push(KEY);
    Slots::new(boosts)
}

/// Returns the boosts of the sheet's search fields.
fn boosts(spec: &SheetSpec) -> Vec<f32> {
    match &spec.search {
        Some(fields) => fields.iter().map(|(_, boost)| *boost).collect(),
        None => vec![PLAIN],
    }
}

/// Passes the texts of `record` to `emit`, each in the slot of its boost. The fields of its path are
/// among them. Linear in the value.
pub(crate) fn texts(
    spec: &SheetSpec,
    record: &Record,
    slots: &Slots,
    emit: &mut dyn FnMut(Slot, &str),
) {
    emit(slots.slot(KEY), record.key.as_str());
    match &spec.search {
        Some(fields) => {
            for (field, boost) in fields {
                let slot = slots.slot(*boost);
                record.value.visit(field, &mut |json| scalars(json, slot, emit));
            }
        }
        None => {
            let slot = slots.slot(PLAIN);
            record.value.parts().for_each(|part| scalars(part, slot, emit));
        }
    }
}

/// Passes the texts of one searched field of `record`, or of its key as `_key`, as [`texts`] does.
pub(crate) fn field_texts(
    spec: &SheetSpec,
    record: &Record,
    field: &str,
    slots: &Slots,
    emit: &mut dyn FnMut(Slot, &str),
) {
    if field == KEY_FIELD {
        emit(slots.slot(KEY), record.key.as_str());
        return;
    }
    let mut visit = |path: &FieldPath, boost: f32| {
        let slot = slots.slot(boost);
        record.value.visit(path, &mut |json| scalars(json, slot, emit));
    };
    match &spec.search {
        Some(fields) => {
            let named = fields.iter().filter(|(path, _)| path.as_str() == field);
            named.for_each(|(path, boost)| visit(path, *boost));
        }
        None => visit(&FieldPath::new(field), PLAIN),
    }
}

/// Passes every string and number in `json` to `emit`, in text order.
fn scalars(json: Json<'_>, slot: Slot, emit: &mut dyn FnMut(Slot, &str)) {
    match json.kind() {
        Kind::String => emit(slot, &json.as_string().unwrap_or_default()),
        Kind::Array => json.elements().for_each(|element| scalars(element, slot, emit)),
        Kind::Object => json.members().for_each(|(_, member)| scalars(member, slot, emit)),
        Kind::Number => emit(slot, json.text()),
        Kind::Null | Kind::Bool => {}
    }
}
