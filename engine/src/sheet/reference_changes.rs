//! The effects of a change of a sheet on references to and from it.

use crate::id::Key;
use crate::layout::SheetSpec;
use crate::scalar::Scalar;
use crate::value::FieldPath;

/// The effects of a change of a sheet that references must follow.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The keys whose claims changed, if the sheet itself refers to records.
    pub(super) touched: Vec<Key>,
    fields: Vec<FieldPath>,
    /// For each of the fields, the values that entered or left its index, if a reference targets
    /// that field. A value may be listed several times, or may be back where it was.
    pub(super) values: Vec<Option<Vec<Scalar>>>,
    /// The keys that began or ceased to serve a record, if a reference matches records by key.
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

    /// Adds values of `field` that came or went, or keys if it is `None`.
    pub(super) fn add(&mut self, field: Option<&FieldPath>, values: impl Iterator<Item = Scalar>) {
        let Some(field) = field else { return self.keys.extend(values) };
        let at = self.fields.iter().position(|other| other == field);
        if let Some(known) = at.and_then(|at| self.values.get_mut(at)?.as_mut()) {
            known.extend(values);
        }
    }

    /// Returns the keys whose claims changed, if the sheet itself refers to records.
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
