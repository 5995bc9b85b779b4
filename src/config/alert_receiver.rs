//! The receivers of alerts, and the format that each gets.

use reqwest::Url;

/// The prefix of an address that wants Slack's format and is not at Slack.
const SLACK: &str = "slack+";

/// Slack's own host for incoming webhooks.
const SLACK_HOST: &str = "hooks.slack.com";

/// The format of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The documented facts.
    Facts,
    /// One text, in the format of Slack and compatible services.
    Slack,
}

/// A receiver. The address may hold a token: never log it whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The address to post to.
    pub url: Url,
    /// The format to post.
    pub shape: Shape,
}

impl Receiver {
    /// Parses addresses separated by spaces or line ends. One that begins with `slack+`, or is at
    /// `hooks.slack.com`, gets Slack's format.
    ///
    /// # Errors
    /// Fails if an entry is not an http or https address.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split_whitespace().map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (slack, address) = match text.strip_prefix(SLACK) {
            Some(address) => (true, address),
            None => (false, text),
        };
        let url = super::values::url(address)?;
        let slack = slack || url.host_str() == Some(SLACK_HOST);
        Ok(Self { url, shape: if slack { Shape::Slack } else { Shape::Facts } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<Shape> {
        let receivers = Receiver::parse_list(text).unwrap_or_else(|error| panic!("{error}"));
        receivers.iter().map(|receiver| receiver.shape).collect()
    }

    #[test]
    fn slack_is_known_by_its_host_or_by_a_prefix() {
        let list = "https://pager.example.org/a?b=c,d https://hooks.slack.com/services/x\n\
                    slack+https://chat.example.org/hook";
        assert_eq!(shapes(list), [Shape::Facts, Shape::Slack, Shape::Slack]);
        assert_eq!(shapes(" "), []);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["pager", "slack+pager", "ftp://a.org", "https://a.org slack+"] {
            assert!(Receiver::parse_list(text).is_err(), "{text}");
        }
    }
}
