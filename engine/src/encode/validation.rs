//! Checks values against the schema of their sheet.

use serde_json::Value as Json;

use super::error::{EncodeError, Issue};
use crate::layout::SheetSpec;

/// Checks a value against the schema of its sheet.
pub(super) fn validated(spec: &SheetSpec, value: &Json) -> Result<(), EncodeError> {
    let violations = spec.schema.iter().flat_map(|schema| schema.violations(value));
    let issues: Vec<Issue> = violations.map(Issue::from).collect();
    if issues.is_empty() { Ok(()) } else { Err(EncodeError::Invalid { issues }) }
}
