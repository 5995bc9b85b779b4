//! An alert, and its format for Slack.

use serde_json::{Value, json};

/// Something that needs a person's attention.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The event, under the name that the API uses.
    pub event: &'static str,
    /// The body of the POST.
    pub body: Value,
}

impl Alert {
    /// Returns the body for Slack: one text, whose first line has the essentials.
    pub fn slack(&self) -> Value {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default().to_owned();
        let mut lines = vec![format!(
            "*headwater: {}* on `{}`: {}",
            self.event,
            text("branch"),
            text("message")
        )];
        lines.push(format!("serving `{}`", text("servingCommit")));
        for problem in self.body["problems"].as_array().into_iter().flatten() {
            let place = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            let line = problem["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
            lines.push(format!("• `{}{line}` {}", place("path"), place("message")));
        }
        if let Some(id) = self.body["heldId"].as_str() {
            lines.push(format!("`headwater apply {id}` publishes it"));
        }
        // Slack would read these three as the start of a link, a mention or an entity.
        let text = lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        json!({ "text": text })
    }
}
