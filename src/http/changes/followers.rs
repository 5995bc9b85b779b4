//! Followers of publications, in groups that receive the same events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headwater_engine::delta::Delta;
use headwater_engine::engine::Published;
use headwater_engine::id::CommitId;
use headwater_engine::view::View;
use tokio::sync::watch;

use super::delta_text::{DeltaText, Writer};
use super::expression_quota::Allowance;
use super::fair_order::in_fair_order;
use super::followed_parts::{Part, Parts};
use super::follower_limit::{Seat, Seats};
use super::queue::{Queue, resync};
use crate::feed::{Feed, Heard, Listener};
use crate::http::byte_quota::ByteQuota;
use crate::http::source::Source;
use crate::http::waiter_limit::WaiterLimit;
use crate::wire::Watched;

/// The weight of one publication that is read for all groups together, as [`Delta::weight`]
/// measures it; some seconds of work. For one address, at most half as much is read as is left for
/// others. Groups beyond it start over.
const READ: usize = 2 << 30;

/// Those who follow publications, and the state that all readers of changes share.
pub struct Audience {
    seats: Arc<Seats>,
    /// What all of them follow.
    pub(super) parts: Arc<Parts>,
    /// The callers that ask for changes, and perhaps wait for one.
    pub(super) polls: WaiterLimit,
    pub(super) writer: Writer,
    plain: Mutex<AudienceState>,
    expressions: Mutex<AudienceState>,
    /// Tells that a line has heard of a publication.
    heard: watch::Sender<()>,
    read: usize,
}

impl Default for Audience {
    fn default() -> Self {
        Self {
            seats: Arc::default(),
            parts: Arc::default(),
            polls: WaiterLimit::default(),
            writer: Writer::default(),
            plain: Mutex::default(),
            expressions: Mutex::default(),
            heard: watch::Sender::default(),
            read: READ,
        }
    }
}

/// The two lines in which an audience hears of publications. The first does not wait for the second,
/// which gets several publications as their net change if it falls behind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    /// The followers with neither an expression nor a condition on texts. They cost no more than
    /// what is read for them.
    Plain,
    /// The followers with an expression or a condition on texts, which may cost much. Those at one
    /// address may cost this much processor time for one publication; `None` is no limit.
    Expressions(Option<Duration>),
}

/// What the groups of a line share.
#[derive(Debug, Default)]
struct AudienceState {
    /// The commit that all groups have heard of; `None` before the first publication.
    at: Option<CommitId>,
    /// Groups by the name of what they follow.
    groups: HashMap<String, Group>,
    is_closed: bool,
}

/// Followers of the same part.
#[derive(Debug, Clone)]
struct Group {
    watched: Arc<Watched>,
    members: Vec<Member>,
}

/// A follower, as its group knows it.
#[derive(Debug, Clone)]
struct Member {
    source: Source,
    queue: Arc<Queue>,
}

/// A member of the audience, until this is dropped.
pub(super) struct Follower {
    audience: Arc<Audience>,
    seat: Seat,
    /// The part that is followed.
    pub(super) watched: Part,
    /// The queue receives every publication after this commit.
    pub(super) at: CommitId,
}

impl Audience {
    /// Returns a follower of `watched` for a caller from `source`, if there is a seat.
    pub(super) fn join(
        self: &Arc<Self>,
        feed: &Feed,
        watched: Part,
        source: Source,
    ) -> Option<Follower> {
        let seat = self.seats.take(source)?;
        let mut state = self.state_of(&watched);
        let at = state.at.unwrap_or_else(|| feed.first());
        if state.is_closed {
            seat.queue.close();
        }
        let name = watched.name().to_owned();
        let new = || Group { watched: watched.clone(), members: Vec::new() };
        let group = state.groups.entry(name).or_insert_with(new);
        group.members.push(Member { source, queue: seat.queue.clone() });
        drop(state);
        Some(Follower { audience: self.clone(), seat, watched, at })
    }

    /// Waits until the line in which those who follow `watched` are has heard of `commit`, if that is the last one
    /// that was published. A line that has much to tell hears later of what is served already.
    pub(super) async fn hears_of(&self, feed: &Feed, watched: &Watched, commit: CommitId) {
        let mut heard = self.heard.subscribe();
        loop {
            let is_late = self.line_is_before(feed, watched, commit);
            if !is_late || heard.changed().await.is_err() {
                return;
            }
        }
    }

    fn line_is_before(&self, feed: &Feed, watched: &Watched, commit: CommitId) -> bool {
        let state = self.state_of(watched);
        let at = state.at.unwrap_or_else(|| feed.first());
        !state.is_closed && at != commit && feed.listen().at == commit
    }

    /// Reports to all followers every publication that `listener` receives, until the server stops.
    /// `compare` returns the difference between two commits if it is not available otherwise, or
    /// `None` if it cannot be computed. The expressions of the followers at one address may cost
    /// `each` of processor time for one publication; `None` is no limit.
    pub(super) async fn follow<Compared: Future<Output = Option<Arc<Delta>>>>(
        &self,
        feed: &Feed,
        mut listener: Listener,
        compare: impl Fn(View, CommitId, CommitId) -> Compared,
        each: Option<Duration>,
    ) {
        let compare = &compare;
        // A step that waits here gives way to the next one.
        let (pass_on, mut passed_on) = watch::channel(None::<Step>);
        let plain = async move {
            while let Some(step) = Step::hear(feed, &mut listener).await {
                pass_on.send_replace(Some(step.clone()));
                self.tell(Line::Plain, feed, step, compare).await;
            }
            self.close(Line::Plain);
        };
        let expressions = async move {
            while passed_on.changed().await.is_ok() {
                let step = passed_on.borrow_and_update().clone();
                if let Some(step) = step {
                    self.tell(Line::Expressions(each), feed, step, compare).await;
                }
            }
            self.close(Line::Expressions(each));
        };
        tokio::join!(plain, expressions);
    }

    /// Reports a step to the followers in `line`.
    async fn tell<Compared: Future<Output = Option<Arc<Delta>>>>(
        &self,
        line: Line,
        feed: &Feed,
        step: Step,
        compare: impl Fn(View, CommitId, CommitId) -> Compared,
    ) {
        let to = step.to;
        let Round { from, groups } = self.begin_round(line, feed, to);
        if groups.is_empty() {
            return;
        }
        let mut deltas: HashMap<View, Option<Arc<Delta>>> = HashMap::new();
        let (reading, mut read) = (ByteQuota::halving(self.read), Vec::new());
        let mut allowance = Allowance::new(match line {
            Line::Plain => None,
            Line::Expressions(each) => each,
        });
        for group in groups {
            let view = group.watched.view();
            let delta = match deltas.get(view) {
                Some(known) => known.clone(),
                None => {
                    let delta = step.seen_by(view, from, &compare).await;
                    deltas.insert(view.clone(), delta.clone());
                    delta
                }
            };
            // The state was repaired where this view sees nothing.
            if from == to && delta.as_ref().is_some_and(|delta| delta.changes.is_empty()) {
                continue;
            }
            let share = allowance.share(group.sources());
            let mut may_read = |source, delta: &Delta| {
                let mut part = reading.enter(source);
                let may_read = part.grows(usize::try_from(delta.weight()).unwrap_or(usize::MAX));
                read.push(part);
                may_read
            };
            let text = match delta.as_ref().zip(share) {
                Some((delta, share)) if may_read(share.source, delta) => {
                    let told = self.writer.tell(delta, &group.watched, share).await;
                    allowance.spend(share.source, told.cost);
                    if told.lacks_room {
                        allowance.use_up(share.source);
                    }
                    told.text
                }
                _ => None,
            };
            group.tell(to, text.as_ref());
        }
    }

    /// Ends the streams of the followers in `line`, and of those that join it later.
    fn close(&self, line: Line) {
        let mut state = self.state(line);
        state.is_closed = true;
        self.heard.send_modify(|()| {});
        let members = state.groups.values().flat_map(|group| &group.members);
        members.for_each(|member| member.queue.close());
    }

    /// Returns the groups in `line` that hear of the step to `to`, in the order in which they are told. A
    /// follower that joins them from now on starts at `to`.
    fn begin_round(&self, line: Line, feed: &Feed, to: CommitId) -> Round {
        let mut state = self.state(line);
        let from = state.at.replace(to).unwrap_or_else(|| feed.first());
        let mut groups: Vec<Group> = state.groups.values().cloned().collect();
        drop(state);
        self.heard.send_modify(|()| {});
        // The text with the most receivers is written first, but one address does not come first with
        // all of its texts.
        groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
        Round { from, groups: in_fair_order(groups, |group| group.sources().collect()) }
    }

    fn state(&self, line: Line) -> MutexGuard<'_, AudienceState> {
        let state = match line {
            Line::Plain => &self.plain,
            Line::Expressions(_) => &self.expressions,
        };
        // The state is consistent after every statement, so a poisoned lock holds a usable one.
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state of the line in which those who follow this part are.
    fn state_of(&self, watched: &Watched) -> MutexGuard<'_, AudienceState> {
        self.state(if watched.reads_texts() { Line::Expressions(None) } else { Line::Plain })
    }
}

/// What a publication leads to.
#[derive(Debug, Clone)]
struct Step {
    to: CommitId,
    /// The differences, if they are at hand.
    published: Option<Published>,
    /// Whether `to` descends from the commit before.
    descends: bool,
}

impl Step {
    /// Waits for the next step; `None` when the server stops.
    async fn hear(feed: &Feed, listener: &mut Listener) -> Option<Self> {
        loop {
            match listener.wait().await {
                Heard::Published(publication) => {
                    let (to, descends) = (publication.to, publication.descends);
                    return Some(Self { to, published: publication.take(), descends });
                }
                Heard::Missed => {
                    *listener = feed.listen();
                    return Some(Self { to: listener.at, published: None, descends: true });
                }
                Heard::Nothing => continue,
                Heard::Closed => return None,
            }
        }
    }

    /// Returns what changes for `view` from `from` on. `None` if its followers must start over.
    ///
    /// The publication tells it, if it leads from there. Otherwise `compare` finds it in the
    /// repository.
    async fn seen_by<Compared: Future<Output = Option<Arc<Delta>>>>(
        &self,
        view: &View,
        from: CommitId,
        compare: impl Fn(View, CommitId, CommitId) -> Compared,
    ) -> Option<Arc<Delta>> {
        if !self.descends {
            return None;
        }
        let published = self.published.as_ref().filter(|published| published.delta.from == from);
        match published {
            Some(published) if view.is_public() => Some(published.delta.clone()),
            Some(Published { transition: Some(transition), .. }) => {
                let (transition, view) = (transition.clone(), view.clone());
                let filter = move || Arc::new(transition.seen_by(&view));
                let filtered = tokio::task::spawn_blocking(filter).await;
                filtered
                    .inspect_err(
                        |error| tracing::error!(%error, "a view of a publication panicked"),
                    )
                    .ok()
            }
            // The state was repaired; two equal commits do not show how.
            _ if from == self.to => None,
            _ => compare(view.clone(), from, self.to).await,
        }
    }
}

/// A publication, and the groups that hear of it.
struct Round {
    from: CommitId,
    groups: Vec<Group>,
}

impl Group {
    /// Lists the addresses of the followers.
    fn sources(&self) -> impl Iterator<Item = Source> {
        self.members.iter().map(|member| member.source)
    }

    fn tell(&self, to: CommitId, told: Option<&DeltaText>) {
        let id = self.watched.id_at(to);
        match told {
            // A follower of everything gets an event for every commit; others only learn of it.
            Some(told) if told.is_empty() && !self.watched.is_all() => {
                self.members.iter().for_each(|member| member.queue.move_to(id.clone()));
            }
            told => {
                let event = told.map_or_else(|| resync(id.clone()), DeltaText::event);
                let push = |member: &Member| member.queue.push(event.clone(), id.clone());
                self.members.iter().for_each(push);
            }
        }
    }
}

impl Follower {
    pub(super) fn queue(&self) -> &Queue {
        &self.seat.queue
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.audience.state_of(&self.watched);
        if let Some(group) = state.groups.get_mut(self.watched.name()) {
            group.members.retain(|member| !Arc::ptr_eq(&member.queue, &self.seat.queue));
            if group.members.is_empty() {
                state.groups.remove(self.watched.name());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::future::{poll_fn, ready};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use headwater_engine::delta::Transition;
    use headwater_engine::id::SheetName;
    use headwater_engine::layout::{DefinitionFile, DefinitionFiles, Layout};
    use headwater_engine::load::load;
    use headwater_engine::mirror::{Mirror, MirrorOptions};
    use headwater_engine::options::LoadOptions;
    use headwater_engine::query::ListQuery;
    use headwater_engine::sheet::Sheet;
    use headwater_engine::snapshot::Snapshot;
    use headwater_engine::view::{HiddenRecords, SheetNames};
    use headwater_testkit::Upstream;
    use serde_json::Value;

    use super::super::delta_text::tests::{commit, delta, watching};
    use super::super::queue::position;
    use super::*;
    use crate::config::TrustedProxies;
    use crate::feed::tests::forward;
    use crate::wire::EventId;

    /// An audience of a server that has published nothing yet.
    pub(in crate::http::changes) struct Hall {
        pub(in crate::http::changes) audience: Arc<Audience>,
        pub(in crate::http::changes) feed: Feed,
    }

    impl Hall {
        pub(in crate::http::changes) fn at(first: u8) -> Self {
            let hall = Self { audience: Arc::default(), feed: Feed::default() };
            hall.feed.begin(commit(first));
            hall
        }

        pub(in crate::http::changes) fn join(&self, sheets: &[&str]) -> Follower {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let source = Source::of(address, &HeaderMap::new(), &TrustedProxies::default());
            self.join_from(source, watching(sheets))
        }

        fn join_from(&self, source: Source, watched: Watched) -> Follower {
            let part = self.audience.parts.keep(watched, source, 0).unwrap();
            self.audience.join(&self.feed, part, source).unwrap()
        }

        /// Reports what `listener` receives to the audience, until the feed is closed.
        async fn run(&self, listener: Listener) {
            self.audience.follow(&self.feed, listener, |_, _, _| ready(None), None).await;
        }
    }

    async fn taken(follower: &Follower) -> Vec<Bytes> {
        let mut taken = Vec::new();
        while let Some(event) = poll_fn(|context| follower.queue().poll_next(context)).await {
            taken.push(event);
        }
        taken
    }

    #[tokio::test]
    async fn a_publication_is_one_text_for_all_who_follow_the_same() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        let followers: Vec<_> = (0..900).map(|_| hall.join(&[])).collect();
        let of_people = hall.join(&["people"]);
        let of_tags = hall.join(&["tags"]);
        hall.feed.publish(&forward(&delta(1, 2, 1_000, 100)));
        hall.feed.close();
        hall.run(listener).await;
        let first = taken(&followers[0]).await.pop().unwrap();
        for follower in &followers[1..] {
            let events = taken(follower).await;
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].as_ptr(), first.as_ptr());
        }
        assert_eq!(taken(&of_people).await.len(), 1);
        let nothing = [position(commit(2))];
        assert_eq!(taken(&of_tags).await, nothing, "nothing in their sheet has changed");
    }

    /// The view of the sheet called `name` alone.
    fn view_of(name: &str) -> View {
        let any = SheetNames::only([SheetName::new(name)]);
        View { any, public: SheetNames::None, hidden: HiddenRecords::Withheld }
    }

    /// Returns two states, in which each of `sheets` has another record, and what differs.
    fn transition(sheets: &[String]) -> Transition {
        let mut upstream = Upstream::new();
        let definition = |name: &String| format!("[sheets.{name}]\npublic = false\n");
        let definitions: String = sheets.iter().map(definition).collect();
        let mut state = |number: u32| -> Arc<Snapshot> {
            let commit = upstream.commit("a state").put("headwater.toml", &definitions);
            let record = format!("n = {number}\n");
            let commit = sheets
                .iter()
                .fold(commit, |commit, name| commit.put(format!("{name}/a.toml"), &record));
            let commit = commit.push().parse().unwrap();
            let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
            let objects = mirror.objects().unwrap();
            Arc::new(load(&objects, commit, &LoadOptions::default()).unwrap())
        };
        let (before, after) = (state(1), state(2));
        let changed = Arc::new(after.differences(&before));
        Transition { before, after, changed }
    }

    #[tokio::test]
    async fn a_thousand_followers_of_many_views_cost_no_look_into_the_repository() {
        let sheets: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
        let transition = transition(&sheets);
        let hall = Hall { audience: Arc::default(), feed: Feed::default() };
        hall.feed.begin(transition.before.commit());
        let listener = hall.feed.listen();
        let join = |number: usize| {
            let watched = Watched::new(view_of(&sheets[number % 20]), Vec::new(), &[], None);
            let source = Source::at([192, 0, 2, (number / 20) as u8].into());
            hall.join_from(source, watched)
        };
        let followers: Vec<_> = (0..1_000).map(join).collect();
        let public = transition.seen_by(&View::PUBLIC);
        assert!(public.changes.is_empty());
        let published = forward(&Arc::new(public));
        hall.feed.publish(&Published { transition: Some(transition), ..published });
        hall.feed.close();
        let asked = AtomicUsize::new(0);
        let compare = |_, _, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            ready(None)
        };
        hall.audience.follow(&hall.feed, listener, compare, None).await;
        assert_eq!(asked.into_inner(), 0);
        let mut first: Vec<Bytes> = Vec::new();
        for (number, follower) in followers.iter().enumerate() {
            let mut events = taken(follower).await;
            let event = events.pop().unwrap();
            assert!(events.is_empty());
            if number < 20 {
                let text = std::str::from_utf8(&event).unwrap();
                let data = text.split_once("data: ").unwrap().1;
                let data: Value = serde_json::from_str(data.trim_end()).unwrap();
                let items = data["items"].as_array().unwrap();
                assert_eq!(items.len(), 1, "{data}");
                assert_eq!(items[0]["sheet"], sheets[number]);
                first.push(event);
            } else {
                assert_eq!(event.as_ptr(), first[number % 20].as_ptr(), "written once for a view");
            }
        }
    }

    #[tokio::test]
    async fn who_joins_hears_of_everything_behind_where_its_place_begins() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        // Published, but nobody has heard of it yet.
        hall.feed.publish(&forward(&delta(1, 2, 1, 1)));
        let early = hall.join(&[]);
        assert_eq!(early.at, commit(1));
        assert_eq!(hall.audience.begin_round(Line::Plain, &hall.feed, commit(2)).groups.len(), 1);
        let late = hall.join(&[]);
        assert_eq!(late.at, commit(2));
        drop(listener);
        hall.feed.close();
        hall.run(hall.feed.listen()).await;
        assert_eq!(hall.join(&[]).at, commit(2));
        assert!(taken(&hall.join(&[])).await.is_empty(), "a server that stops releases everybody");
    }

    #[tokio::test]
    async fn who_comes_with_what_was_just_published_waits_until_its_line_has_heard_of_it() {
        let hall = Hall::at(1);
        let watched = watching(&[]);
        let hears = async |n| {
            let hears = hall.audience.hears_of(&hall.feed, &watched, commit(n));
            tokio::time::timeout(Duration::ZERO, hears).await.is_ok()
        };
        assert!(hears(1).await, "it is there");
        hall.feed.publish(&forward(&delta(1, 2, 1, 1)));
        assert!(hears(1).await, "it is behind, which the line can tell");
        assert!(!hears(2).await, "the line does not know it yet");
        let (_, round) =
            tokio::join!(hall.audience.hears_of(&hall.feed, &watched, commit(2)), async {
                hall.audience.begin_round(Line::Plain, &hall.feed, commit(2))
            });
        assert_eq!(round.from, commit(1));
        hall.feed.publish(&forward(&delta(2, 3, 1, 1)));
        let closed = async { hall.audience.close(Line::Plain) };
        tokio::join!(hall.audience.hears_of(&hall.feed, &watched, commit(3)), closed);
    }

    #[tokio::test]
    async fn publications_that_were_missed_are_told_as_their_net_change() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        let follower = hall.join(&[]);
        (1..=255).for_each(|n| hall.feed.publish(&forward(&delta(n, n.wrapping_add(1), 1, 1))));
        hall.feed.publish(&forward(&delta(0, 1, 1, 1)));
        hall.feed.publish(&forward(&delta(1, 9, 1, 1)));
        let asked = AtomicUsize::new(0);
        hall.feed.close();
        let compare = |_, from, to| {
            asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!((from, to), (commit(1), commit(9)));
            ready(Some(delta(1, 9, 2, 1)))
        };
        hall.audience.follow(&hall.feed, listener, compare, None).await;
        let events = taken(&follower).await;
        assert_eq!((asked.into_inner(), events.len()), (1, 1));
        assert!(events[0].starts_with(format!("id: {}\nevent: changes\n", commit(9)).as_bytes()));
    }

    #[tokio::test]
    async fn a_publication_is_read_for_so_many_groups_and_the_smallest_begin_anew() {
        let publication = delta(1, 2, 10, 100);
        let read = 6 * publication.weight() as usize;
        let hall = Hall::at(1);
        let audience = Arc::new(Audience { read, ..Audience::default() });
        let hall = Hall { audience, ..hall };
        let listener = hall.feed.listen();
        let all = [hall.join(&[]), hall.join(&[]), hall.join(&[])];
        let two = [hall.join(&["people"]), hall.join(&["people"])];
        let one = hall.join(&["people", "tags"]);
        hall.feed.publish(&forward(&publication));
        hall.feed.close();
        hall.run(listener).await;
        for follower in all.iter().chain(&two) {
            assert_ne!(taken(follower).await, [resync(commit(2))]);
        }
        assert_eq!(taken(&one).await, [resync(commit(2))]);
    }

    #[tokio::test]
    async fn one_address_with_many_parts_neither_comes_first_nor_takes_the_room_of_others() {
        let publication = delta(1, 2, 10, 100);
        let read = 14 * publication.weight() as usize;
        let hall = Hall::at(1);
        let audience = Arc::new(Audience { read, ..Audience::default() });
        let hall = Hall { audience, ..hall };
        let listener = hall.feed.listen();
        let from = |last: u8, sheet: &str| {
            let (watched, source) =
                (watching(&["people", sheet]), Source::at([10, 0, 0, last].into()));
            hall.join_from(source, watched)
        };
        let many: Vec<_> = (0..200).map(|n| from(1, &n.to_string())).collect();
        // The large groups are his.
        let more: Vec<_> = (0..200).map(|n| from(1, &n.to_string())).collect();
        let others: Vec<_> = (2..10).map(|n| from(n, &format!("of {n}"))).collect();
        hall.feed.publish(&forward(&publication));
        hall.feed.close();
        hall.run(listener).await;
        for follower in &others {
            assert_ne!(taken(follower).await, [resync(commit(2))]);
        }
        let mut told = 0;
        for follower in &many {
            told += usize::from(taken(follower).await != [resync(commit(2))]);
        }
        assert_eq!(told, 2, "for each of the others, half as much as is left");
        drop(more);
    }

    #[tokio::test]
    async fn what_does_not_descend_from_what_was_told_is_told_to_begin_anew() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        let followers = [hall.join(&[]), hall.join(&["tags"])];
        hall.feed.publish(&Published { descends: false, ..forward(&delta(1, 2, 1, 1)) });
        hall.feed.close();
        let differs = |_, _, _| ready(Some(delta(1, 2, 1, 1)));
        hall.audience.follow(&hall.feed, listener, differs, None).await;
        for follower in &followers {
            assert_eq!(taken(follower).await, [resync(commit(2))]);
        }
    }

    #[tokio::test]
    async fn who_sees_more_than_the_public_begins_anew_where_something_else_was_repaired() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        let public = hall.join(&[]);
        let watched = Watched::new(view_of("plans"), Vec::new(), &[], None);
        let source = Source::at([192, 0, 2, 1].into());
        let private = hall.join_from(source, watched);
        hall.feed.publish(&forward(&delta(1, 1, 0, 0)));
        hall.feed.close();
        hall.run(listener).await;
        assert!(taken(&public).await.is_empty());
        let id = EventId::of(commit(1), &view_of("plans"));
        assert_eq!(taken(&private).await, [resync(id)]);
    }

    #[tokio::test]
    async fn what_was_missed_and_cannot_be_compared_is_told_to_begin_anew() {
        let hall = Hall::at(1);
        let listener = hall.feed.listen();
        let followers = [hall.join(&[]), hall.join(&["tags"])];
        (0..=255).for_each(|_| hall.feed.publish(&forward(&delta(1, 2, 1, 1))));
        hall.feed.publish(&forward(&delta(1, 2, 1, 1)));
        hall.feed.close();
        hall.audience.follow(&hall.feed, listener, |_, _, _| ready(None), None).await;
        for follower in &followers {
            assert_eq!(taken(follower).await, [resync(commit(2))]);
        }
    }

    #[test]
    fn nothing_is_left_of_those_who_went() {
        let hall = Hall::at(1);
        for _ in 0..3 {
            drop([hall.join(&[]), hall.join(&[]), hall.join(&["tags"])]);
        }
        assert!(hall.audience.state(Line::Plain).groups.is_empty());
    }

    #[tokio::test]
    async fn who_follows_by_what_texts_contain_spends_the_part_of_its_address() {
        let hall = Hall::at(1);
        let bytes = b"[sheets.people]\nindex = [\"name\"]\n"[..].into();
        let file = DefinitionFile { path: "headwater.toml".into(), bytes };
        let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
        let spec = Layout::read(&files).sheet("people").unwrap().clone();
        let sheet = Arc::new(Sheet::new(spec));
        let join = |name: &str, value: &str| {
            let pairs = [(name.to_owned(), value.to_owned())];
            let query = ListQuery::parse(&pairs, &sheet).unwrap();
            let watched = Watched::new(View::PUBLIC, vec!["people".into()], &pairs, Some(query));
            let source = Source::at([192, 0, 2, 1].into());
            hall.join_from(source, watched)
        };
        let by_value = join("name[ne]", "x");
        let by_text: Vec<_> = ["a", "b"].iter().map(|text| join("name[contains]", text)).collect();
        let listener = hall.feed.listen();
        hall.feed.publish(&forward(&delta(1, 2, 100, 10_000)));
        hall.feed.close();
        let nothing = Some(Duration::ZERO);
        hall.audience.follow(&hall.feed, listener, |_, _, _| ready(None), nothing).await;
        assert_ne!(taken(&by_value).await, [resync(commit(2))]);
        for follower in &by_text {
            assert_eq!(taken(follower).await, [resync(commit(2))]);
        }
    }
}
