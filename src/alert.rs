//! Alerts: one JSON POST per cause to each receiver, when something needs a person and when it is
//! over.
//!
//! The [`Pager`] receives every report. Its [`AlertRules`] decide, without side effects, what is
//! news. Each receiver has a queue of its own, so that one that is unreachable delays nobody.

mod delivery;
mod message;
mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_engine::engine::{PushReport, Report};
use headwater_engine::id::CommitId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Receiver;

pub use message::Alert;
pub use rules::{AlertRules, ClusterTrouble, FirstState};

/// The first wait before an undelivered alert is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// The input of the pager.
enum News {
    /// The first state is served.
    Opened(Box<AlertRules>, Option<FirstState>),
    /// A reload is done.
    Report(Arc<Report>),
    /// A push was attempted.
    Push(Arc<PushReport>),
    /// A file of tokens cannot be used, for this reason, or can be used again.
    Access(Option<String>, CommitId),
    /// Everything that is wrong with the cluster now.
    Cluster(BTreeSet<ClusterTrouble>, CommitId),
    /// What the leader has told, and not that it is over.
    Shared(BTreeSet<String>),
}

/// Sends alerts. Cheap to clone; does nothing without receivers.
#[derive(Clone)]
pub struct Pager {
    news: Option<UnboundedSender<News>>,
    shared: watch::Receiver<BTreeSet<String>>,
}

impl Pager {
    /// Starts to listen. The returned task ends soon after `stop`, once every alert still waiting
    /// has been tried once more.
    pub fn start(receivers: Vec<Receiver>, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let (sender, shared) = watch::channel(BTreeSet::new());
        if receivers.is_empty() {
            return (Self { news: None, shared }, tokio::spawn(std::future::ready(())));
        }
        let (news, heard) = unbounded_channel();
        let paging = tokio::spawn(page(receivers, heard, sender, stop));
        (Self { news: Some(news), shared }, paging)
    }

    /// Returns whether there is anybody to tell.
    pub fn has_receivers(&self) -> bool {
        self.news.is_some()
    }

    /// Returns what was told of the remote, of pushes and of held heads, and not that it is over; and each change of it.
    pub fn shared(&self) -> watch::Receiver<BTreeSet<String>> {
        self.shared.clone()
    }

    /// Takes `shared` for what was told, because the leader of the cluster says so.
    pub fn adopt(&self, shared: BTreeSet<String>) {
        self.tell(News::Shared(shared));
    }

    /// Starts to consider reports with `rules`; raises an alert for a first state that has
    /// problems.
    pub fn opened(&self, rules: AlertRules, degraded: Option<FirstState>) {
        self.tell(News::Opened(Box::new(rules), degraded));
    }

    /// Considers a report.
    pub fn report(&self, report: &Arc<Report>) {
        self.tell(News::Report(report.clone()));
    }

    /// Considers an attempted push.
    pub fn push(&self, report: &Arc<PushReport>) {
        self.tell(News::Push(report.clone()));
    }

    /// Considers that a file of tokens cannot be used, for the reason `trouble`, or can be used
    /// again, while `serving` is served.
    pub fn access(&self, trouble: Option<String>, serving: CommitId) {
        self.tell(News::Access(trouble, serving));
    }

    /// Considers everything that is wrong with the cluster now, while `serving` is served.
    pub fn cluster(&self, troubles: BTreeSet<ClusterTrouble>, serving: CommitId) {
        self.tell(News::Cluster(troubles, serving));
    }

    fn tell(&self, news: News) {
        if let Some(sender) = &self.news {
            // Nobody listens any more when the server shuts down.
            let _ = sender.send(news);
        }
    }
}

async fn page(
    receivers: Vec<Receiver>,
    mut news: UnboundedReceiver<News>,
    shared: watch::Sender<BTreeSet<String>>,
    stop: CancellationToken,
) {
    let mut queues = Vec::new();
    let mut deliveries = Vec::new();
    for receiver in receivers {
        let (queue, alerts) = unbounded_channel();
        queues.push(queue);
        deliveries.push(tokio::spawn(delivery::deliver(receiver, alerts, PAUSE, stop.clone())));
    }
    let mut rules: Option<Box<AlertRules>> = None;
    // What the leader said before there were rules.
    let mut said = BTreeSet::new();
    loop {
        let deadline = rules.as_ref().and_then(|rules| rules.deadline());
        let alerts = tokio::select! {
            biased;
            told = news.recv() => match told {
                Some(News::Opened(mut opened, degraded)) => {
                    opened.adopt(&std::mem::take(&mut said));
                    let alert = degraded.map(|state| opened.degraded(&state));
                    rules = Some(opened);
                    alert.into_iter().collect()
                }
                Some(News::Report(report)) => {
                    let rules = rules.as_mut();
                    rules.map(|rules| rules.consider(&report, Instant::now())).unwrap_or_default()
                }
                Some(News::Push(report)) => {
                    let rules = rules.as_mut();
                    rules.map(|rules| rules.consider_push(&report, Instant::now())).unwrap_or_default()
                }
                Some(News::Access(trouble, serving)) => {
                    let rules = rules.as_mut();
                    let told = rules.map(|rules| {
                        rules.consider_access(trouble.as_deref(), serving, Instant::now())
                    });
                    told.unwrap_or_default()
                }
                Some(News::Cluster(troubles, serving)) => {
                    let rules = rules.as_mut();
                    let told = rules.map(|rules| {
                        rules.consider_cluster(troubles, serving, Instant::now())
                    });
                    told.unwrap_or_default()
                }
                Some(News::Shared(told)) => {
                    match rules.as_mut() {
                        Some(rules) => rules.adopt(&told),
                        None => said = told,
                    }
                    vec![]
                }
                None => break,
            },
            () = reached(deadline) => {
                rules.as_mut().map(|rules| rules.look(Instant::now())).unwrap_or_default()
            }
            // Alerts that are still queued are sent in the end.
            () = stop.cancelled() => break,
        };
        if let Some(rules) = &rules {
            let open = rules.shared();
            shared.send_if_modified(|told| (*told != open).then(|| *told = open).is_some());
        }
        for alert in alerts {
            let alert = Arc::new(alert);
            for queue in &queues {
                // A delivery ends only after its queue.
                let _ = queue.send(alert.clone());
            }
        }
    }
    drop(queues);
    for delivery in deliveries {
        // A delivery that panicked has nothing more to report.
        let _ = delivery.await;
    }
}

/// Waits until `deadline`, or forever.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
