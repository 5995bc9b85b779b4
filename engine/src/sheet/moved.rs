//! What a change of a sheet means for the references to it and from it.

use crate::id::Key;
use crate::layout::SheetSpec;
use crate::scalar::Scalar;
use crate::value::FieldPath;

/// What a change of a sheet did that references have to follow.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The keys that were claimed anew, where the sheet itself refers to records.
    pub(super) touched: Vec<Key>,
    fields: Vec<FieldPath>,
    /// For each of the fields, the values that came to its index or left it, where a reference is
    /// about that field. One may be in it several times, and may be back where it was.
    pub(super) values: Vec<Option<Vec<Scalar>>>,
    /// The keys under which a record is served that was not, or the other way round, where a
    /// reference names records by their keys.
    pub(super) keys: Vec<Scalar>,
}

impl Moved {
    /// Prepares for a change of the indexes over `fields`.
    pub(super) fn watch<'a>(
        &mut self,
        spec: &SheetSpec,
        fields: impl Iterator<Item = &'a FieldPath>,
    ) {
        self.fields = fields.cloned().collect();
        let is_watched = |field: &FieldPath| {
            spec.referenced.iter().flatten().any(|other| other == field)
                || spec.reference(field.as_str()).is_some()
        };
        self.values = self.fields.iter().map(|field| is_watched(field).then(Vec::new)).collect();
    }

    /// Adds values of `field` that came or went, or keys where it is `None`.
    pub(super) fn add(&mut self, field: Option<&FieldPath>, values: impl Iterator<Item = Scalar>) {
        let Some(field) = field else { return self.keys.extend(values) };
        let at = self.fields.iter().position(|other| other == field);
        if let Some(known) = at.and_then(|at| self.values.get_mut(at)?.as_mut()) {
            known.extend(values);
        }
    }

    /// Returns the keys that were claimed anew, where the sheet itself refers to records.
    pub(crate) fn touched(&self) -> &[Key] {
        &self.touched
    }

    /// Returns the keys, or the values of a field, that came or went.
    pub(crate) fn of(&self, field: Option<&FieldPath>) -> &[Scalar] {
        let Some(field) = field else { return &self.keys };
        let at = self.fields.iter().position(|other| other == field);
        at.and_then(|at| self.values.get(at)?.as_deref()).unwrap_or_default()
    }
}
