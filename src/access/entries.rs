//! The values that tokens and issuers have in common.

use headwater_engine::id::SheetName;
use headwater_engine::view::HiddenRecords;
use headwater_engine::write::Scope;

use super::caller::Rate;
use super::fields::{Field, Fields, Flaw};

/// The largest number of requests in a second that a limit may name.
const MAX_RATE: u32 = 1_000_000;

/// Reads a list of sheets: names, or `*` alone.
pub(super) fn sheets(field: &Field<'_>) -> Result<Scope, Flaw> {
    let names = field.texts()?;
    if names == ["*"] {
        return Ok(Scope::Every);
    }
    if names.contains(&"*") {
        return Err(
            field.flaw(format!("`*` stands alone in `{}`: it is every sheet", field.name()))
        );
    }
    if names.contains(&"") {
        return Err(field.must_be("a list of names, none of which is empty"));
    }
    Ok(Scope::Only(names.into_iter().map(SheetName::new).collect()))
}

/// Reads whether hidden records are shown.
pub(super) fn hidden(fields: &Fields<'_>) -> Result<HiddenRecords, Flaw> {
    let shown = fields.get("hidden").map(|field| field.switch()).transpose()?;
    Ok(if shown == Some(true) { HiddenRecords::Shown } else { HiddenRecords::Withheld })
}

/// Reads a number of requests a second.
pub(super) fn rate(field: &Field<'_>) -> Result<Rate, Flaw> {
    let number = field.number(1..=MAX_RATE)?;
    Rate::new(number).ok_or_else(|| field.must_be("at least 1"))
}
