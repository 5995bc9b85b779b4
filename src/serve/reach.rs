//! Whether the leader answers this replica: the others are told, and a leader that nobody reaches gives
//! the lead back.

use std::time::Duration;

use reqwest::{Client, redirect};
use tokio_util::sync::CancellationToken;

use crate::cluster::member::MemberHandle;
use crate::exit::{Exit, Failure};

/// How often the leader is asked.
const PERIOD: Duration = Duration::from_secs(5);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the leader whether it lives, until the server ends.
pub(super) struct Reach {
    member: MemberHandle,
    client: Client,
}

impl Reach {
    /// Returns what asks the leader of the cluster of `member`.
    ///
    /// # Errors
    /// Fails if no HTTP client can be made.
    pub(super) fn new(member: MemberHandle) -> Result<Self, Failure> {
        let client = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none());
        let client = client.build().map_err(|error| Failure::caused_by(Exit::Software, &error))?;
        Ok(Self { member, client })
    }

    /// Asks until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let leader = self.member.view().leader.clone();
            let unreached = match leader {
                Some(leader) => (!self.answers(&leader.url).await).then_some(leader.id),
                None => None,
            };
            self.member.unreached(unreached);
        }
    }

    /// Returns whether a replica answers, whatever it says.
    async fn answers(&self, url: &str) -> bool {
        let answer = self.client.get(format!("{url}/health/live")).send().await;
        let failed = answer.map_err(reqwest::Error::without_url).err();
        if let Some(error) = &failed {
            tracing::debug!(url, %error, "the leader does not answer");
        }
        failed.is_none()
    }
}
