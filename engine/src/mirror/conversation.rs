//! One conversation with a remote: connect, greet, ask, end, and report what went wrong.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::progress::{Discard, DynNestedProgress};
use gix::protocol::fetch::{Context, Negotiate, Options, Shallow, Tags};
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::client::blocking_io::TransportV2Ext as _;
use gix::protocol::transport::{Protocol, Service};
use gix::protocol::{Handshake, LsRefsCommand};

use super::child::ChildGroup;
use super::gix_id::commit_id;
use super::refusal::{Refusal, shortened};
use super::remote::Target;
use super::system::is_of_our_side;
use super::transport::ahead::MOST_AHEAD;
use super::transport::http::{self, FaultSlot, HttpClient, HttpFault};
use super::transport::process;
use super::transport::{Budget, Line, Overrun, Phase, watched};
use super::{Cause, FetchError, FetchLimits, Mirror, Remote, Untrusted};
use crate::id::CommitId;

/// The prefix of all tags.
pub(super) const TAGS: &str = "refs/tags/";

/// The branches of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteBranches {
    /// Their names, sorted. Names that are not UTF-8 are left out.
    pub branches: Vec<String>,
    /// The branch that `HEAD` names, whether it exists or not, if the remote reports it.
    pub head: Option<String>,
}

impl Mirror {
    /// Asks a remote which branches it has and which one `HEAD` names. Needs no mirror yet.
    pub fn remote_branches(
        remote: &Remote,
        limits: &FetchLimits,
    ) -> Result<RemoteBranches, FetchError> {
        let budget = Arc::new(Budget::new(limits));
        let refs = Conversation::hold(remote, &budget, |talk| talk.list(&["HEAD", "refs/heads/"]))?;
        let branch = |name: &str| name.strip_prefix("refs/heads/").map(str::to_owned);
        let mut branches: Vec<String> =
            refs.found.iter().filter_map(|(name, _)| branch(name)).collect();
        branches.sort();
        Ok(RemoteBranches { branches, head: refs.head.as_deref().and_then(branch) })
    }
}

/// A branch of a remote and its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBranch {
    /// Its name.
    pub name: String,
    /// Its commit, which may not exist in the mirror.
    pub head: CommitId,
}

impl Mirror {
    /// Asks a remote for the branches whose names begin with one of `beginnings`. Takes one
    /// request, however many branches there are.
    ///
    /// # Errors
    ///
    /// As [`Mirror::fetch`].
    pub fn remote_heads(
        remote: &Remote,
        beginnings: &[&str],
        limits: &FetchLimits,
    ) -> Result<Vec<RemoteBranch>, FetchError> {
        let budget = Arc::new(Budget::new(limits));
        let names: Vec<String> =
            beginnings.iter().map(|name| format!("refs/heads/{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let refs = Conversation::hold(remote, &budget, |talk| talk.list(&names))?;
        let branch = |(name, head): (String, CommitId)| {
            let name = name.strip_prefix("refs/heads/")?.to_owned();
            Some(RemoteBranch { name, head })
        };
        Ok(refs.found.into_iter().filter_map(branch).collect())
    }
}

/// The refs that a remote listed.
#[derive(Debug, Default)]
pub(super) struct RemoteRefs {
    found: Vec<(String, CommitId)>,
    /// The tags by their full names, each with the object that it finally points to.
    pub(super) tags: Vec<(String, CommitId)>,
    head: Option<String>,
}

impl RemoteRefs {
    /// Returns what the ref of exactly this name points to.
    pub(super) fn commit(&self, name: &str) -> Option<CommitId> {
        self.found.iter().find(|(found, _)| found == name).map(|(_, commit)| *commit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// A remote that has answered the greeting.
pub(super) struct Conversation<'a> {
    remote: &'a Remote,
    budget: &'a Budget,
    line: Line,
    handshake: Handshake,
}

impl Conversation<'_> {
    /// Connects, greets, does the work and ends, all within the budget.
    ///
    /// The greeting may be a remembered one. If the remote refuses what follows, it is greeted
    /// again and `work` runs a second time.
    pub(super) fn hold<T>(
        remote: &Remote,
        budget: &Arc<Budget>,
        work: impl FnMut(&mut Conversation<'_>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        Self::hold_saying(remote, budget, Vec::new(), work)
    }

    /// Does the same, and sends `said` at once, which `work` is going to say. Only over a pipe.
    pub(super) fn hold_saying<T>(
        remote: &Remote,
        budget: &Arc<Budget>,
        said: Vec<u8>,
        mut work: impl FnMut(&mut Conversation<'_>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        match Self::hold_once(remote, budget, said, &mut work) {
            Err(FetchError::Unreachable { .. } | FetchError::Auth { .. })
                if remote.greeting.forget() =>
            {
                Self::hold_once(remote, budget, Vec::new(), &mut work)
            }
            result => result,
        }
    }

    /// Does the same without a second attempt.
    pub(super) fn hold_once<T>(
        remote: &Remote,
        budget: &Arc<Budget>,
        said: Vec<u8>,
        work: &mut impl FnMut(&mut Conversation<'_>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        budget.enter(Phase::Greeting);
        let (end, line) = FarEnd::connect(remote, budget, said)?;
        let result = watched(
            budget,
            || end.cut(),
            || {
                let mut talk = Conversation::greet(remote, budget, line)?;
                let result = work(&mut talk);
                if result.is_ok() {
                    // The remote waits for this; whether it arrives does not matter here.
                    let _ = gix::protocol::indicate_end_of_interaction(&mut talk.line, false);
                }
                result
            },
        );
        end.explain(remote, budget, result)
    }

    /// Returns what `work` says to a remote that greets as it did last, as far as it says it whatever
    /// it is answered. Returns `None` if there was no such greeting, or if that is too much to be sent
    /// ahead.
    pub(super) fn said(
        remote: &Remote,
        work: impl FnOnce(&mut Conversation<'_>) -> Result<(), FetchError>,
    ) -> Option<Vec<u8>> {
        let (said, line) = process::to_nobody(remote.last_greeting.recall()?);
        let budget = Budget::new(&FetchLimits::default());
        let mut talk = Conversation::greet(remote, &budget, line).ok()?;
        // It fails where it needs an answer.
        let _ = work(&mut talk);
        Some(said.take()).filter(|said| said.len() <= MOST_AHEAD)
    }

    fn greet<'a>(
        remote: &'a Remote,
        budget: &'a Budget,
        mut line: Line,
    ) -> Result<Conversation<'a>, FetchError> {
        let handshake = gix::protocol::handshake(
            &mut line,
            Service::UploadPack,
            // The credentials were already sent. Nobody is ever prompted.
            |_| Ok(None),
            Vec::new(),
            &mut Discard,
        )
        .map_err(|error| broken(remote, error))?;
        // gix takes an answer without a single line for the oldest protocol. An empty repository
        // reports its capabilities; an empty answer must not pass for one.
        if handshake.server_protocol_version == Protocol::V0 {
            return Err(broken(remote, "the remote did not answer as git does"));
        }
        let format = handshake.capabilities.capability("object-format");
        if let Some(format) = format.and_then(|format| format.value().map(ToString::to_string))
            && format != "sha1"
        {
            return Err(FetchError::ContentRejected {
                remote: remote.to_string(),
                object: None,
                rule: "object_format",
                source: format!("its objects are named by {format}").into(),
            });
        }
        if remote.is_piped() {
            let is_new = handshake.server_protocol_version == Protocol::V2;
            remote.last_greeting.keep(is_new.then_some(&handshake.capabilities));
        }
        Ok(Conversation { remote, budget, line, handshake })
    }

    /// Asks for the refs whose names begin with one of the prefixes.
    pub(super) fn list(&mut self, prefixes: &[&str]) -> Result<RemoteRefs, FetchError> {
        self.budget.enter(Phase::References);
        // The old protocol lists all refs once, in its greeting.
        let refs = match &self.handshake.refs {
            Some(refs) => refs.clone(),
            None => {
                let mut wanted = RefPrefixes::new();
                wanted.extend(prefixes.iter().map(|prefix| (*prefix).into()));
                LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent())
                    .invoke_blocking(&mut self.line, &mut Discard, false)
                    .map_err(|error| broken(self.remote, error))?
            }
        };
        let mut told = RemoteRefs::default();
        for found in refs {
            use gix::protocol::handshake::Ref;
            if let Ref::Direct { full_ref_name, object } | Ref::Peeled { full_ref_name, object, .. } =
                &found
                && full_ref_name.starts_with(TAGS.as_bytes())
                && prefixes.contains(&TAGS)
            {
                let name = String::from_utf8(full_ref_name.to_vec());
                told.tags.extend(name.ok().map(|name| (name, commit_id(object))));
                continue;
            }
            let (name, id, target) = match found {
                Ref::Direct { full_ref_name, object } => (full_ref_name, Some(object), None),
                Ref::Peeled { full_ref_name, tag, .. } => (full_ref_name, Some(tag), None),
                Ref::Symbolic { full_ref_name, target, tag, object } => {
                    (full_ref_name, Some(tag.unwrap_or(object)), Some(target))
                }
                Ref::Unborn { full_ref_name, target } => (full_ref_name, None, Some(target)),
            };
            let Ok(name) = String::from_utf8(name.into()) else { continue };
            if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            if name == "HEAD" {
                told.head = target.and_then(|target| String::from_utf8(target.into()).ok());
            } else if let Some(id) = id {
                told.found.push((name, commit_id(&id)));
            }
        }
        Ok(told)
    }

    /// Asks for the ref of exactly this name. The protocol can only ask for all whose names begin
    /// so; the others are skipped as they arrive, so their number matters little.
    pub(super) fn find(&mut self, name: &str) -> Result<Option<CommitId>, FetchError> {
        if self.handshake.refs.is_some() {
            return Ok(self.list(&[name])?.commit(name));
        }
        self.budget.enter(Phase::OtherReferences);
        let prefix = format!("ref-prefix {name}").into();
        let mut lines = self
            .line
            .invoke("ls-refs", [agent()].into_iter(), Some([prefix].into_iter()), false)
            .map_err(|error| broken(self.remote, error))?;
        let mut found = None;
        while let Some(line) = lines.readline() {
            let line = line.map_err(|error| broken(self.remote, error))?;
            let line = line.map_err(|error| broken(self.remote, error))?;
            let Some(line) = line.as_bstr() else { break };
            let mut parts = line.trim_ascii().splitn(3, |byte| *byte == b' ');
            if let (Some(id), Some(named)) = (parts.next(), parts.next())
                && named == name.as_bytes()
            {
                found = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
            }
        }
        drop(lines);
        self.budget.enter(Phase::References);
        Ok(found)
    }

    /// Negotiates and passes the pack to `consume`, which reads it to its end.
    pub(super) fn fetch(
        &mut self,
        negotiate: &mut impl Negotiate,
        shallow_file: PathBuf,
        consume: impl FnOnce(
            &mut dyn io::BufRead,
            &mut dyn DynNestedProgress,
            &AtomicBool,
        ) -> gix::Result<bool>,
    ) -> Result<(), FetchError> {
        let context = Context {
            handshake: &mut self.handshake,
            transport: &mut self.line,
            user_agent: agent(),
            trace_packetlines: false,
        };
        let options = Options {
            shallow_file,
            shallow: &Shallow::NoChange,
            tags: Tags::None,
            reject_shallow_remote: true,
        };
        self.budget.enter(Phase::Negotiation);
        let budget = self.budget;
        let consume =
            |pack: &mut dyn io::BufRead, _: &mut dyn DynNestedProgress, stop: &AtomicBool| {
                budget.enter(Phase::Pack);
                consume(pack, &mut budget.work().progress(), stop)
            };
        let interrupt = &self.budget.interrupt;
        gix::protocol::fetch(negotiate, consume, Discard, interrupt, context, options)
            .map(drop)
            .map_err(|error| broken(self.remote, error))
    }
}

/// The far end of the line: it can be cut off, and it can explain what went wrong.
enum FarEnd {
    Process(ChildGroup),
    Http(FaultSlot),
}

impl FarEnd {
    fn connect(
        remote: &Remote,
        budget: &Arc<Budget>,
        said: Vec<u8>,
    ) -> Result<(Self, Line), FetchError> {
        let unreachable = |error: io::Error| broken(remote, error);
        match &remote.target {
            Target::Http { url, .. } => {
                let account = remote.account().map_err(|error| FetchError::Auth {
                    remote: remote.to_string(),
                    message: "the token file cannot be used".to_owned(),
                    source: error.into(),
                })?;
                let client = HttpClient::kept(&remote.client, &remote.options, budget.stall())
                    .map_err(unreachable)?;
                let (fault, line) = http::connect(client, &remote.greeting, url, account, budget)
                    .map_err(unreachable)?;
                Ok((Self::Http(fault), line))
            }
            Target::Ssh(address) => {
                let (group, line) = process::connect_ssh(address, &remote.options, budget, said)
                    .map_err(unreachable)?;
                Ok((Self::Process(group), line))
            }
            Target::Folder(folder) => {
                let repository = remote.local_repository(folder).map_err(unreachable)?;
                let git_dir = repository.map_err(|foreign| FetchError::Untrusted {
                    remote: remote.to_string(),
                    source: Untrusted::Foreign(foreign),
                })?;
                let (group, line) =
                    process::connect_local(&git_dir, budget, said).map_err(unreachable)?;
                Ok((Self::Process(group), line))
            }
        }
    }

    /// Ends a blocked conversation. An http read ends by its own timeout.
    fn cut(&self) {
        if let Self::Process(group) = self {
            group.kill();
        }
    }

    /// Replaces a symptom with its reason.
    fn explain<T>(
        self,
        remote: &Remote,
        budget: &Budget,
        result: Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let said = match &self {
            Self::Process(group) => group.finish().0,
            Self::Http(_) => String::new(),
        };
        let Err(error) = result else { return result };
        let name = remote.to_string();
        match budget.overrun() {
            Some(Overrun::Total | Overrun::Stall) => {
                return Err(FetchError::TimedOut { remote: name, phase: budget.phase() });
            }
            Some(Overrun::Bytes) => {
                return Err(FetchError::TooLarge { remote: name, limit: budget.max_bytes() });
            }
            Some(Overrun::Talk | Overrun::Memory) => {
                return Err(FetchError::TooTalkative { remote: name });
            }
            Some(Overrun::Work) => return Err(FetchError::too_much_work(remote)),
            None => {}
        }
        let FetchError::Unreachable { source, remote, .. } = error else { return Err(error) };
        let mut retry_after = None;
        let (refused, message) = match &self {
            Self::Process(_) => match Refusal::read(&said) {
                Some(Refusal::Untrusted(source)) => {
                    return Err(FetchError::Untrusted { remote, source });
                }
                refusal => (refusal.is_some(), shortened(&said)),
            },
            Self::Http(fault) => {
                match *fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
                    Some(HttpFault::Status { status, retry_after: wait }) => {
                        retry_after = wait;
                        (matches!(status, 401 | 403 | 407), format!("status {status}"))
                    }
                    Some(HttpFault::NoAnswer) => (false, "no answer".to_owned()),
                    None => (false, String::new()),
                }
            }
        };
        Err(if refused {
            FetchError::Auth { remote, message, source }
        } else {
            FetchError::Unreachable { remote, message, retry_after, source }
        })
    }
}

fn agent() -> (&'static str, Option<String>) {
    let name = concat!("headwater/", env!("CARGO_PKG_VERSION"));
    ("agent", Some(gix::protocol::agent(name)))
}

fn broken(remote: &Remote, error: impl Into<Cause>) -> FetchError {
    let source = error.into();
    if is_of_our_side(source.as_ref()) {
        return FetchError::ours(source);
    }
    let (remote, message) = (remote.to_string(), String::new());
    FetchError::Unreachable { remote, message, retry_after: None, source: plainly(source) }
}

/// Returns the operating system's description of a broken line, without the wording of the
/// libraries in between, which nobody can act on.
fn plainly(source: Cause) -> Cause {
    let mut innermost: &(dyn std::error::Error + 'static) = source.as_ref();
    let mut of_system = innermost.downcast_ref::<io::Error>();
    while let Some(next) = innermost.source() {
        of_system = next.downcast_ref::<io::Error>().or(of_system);
        innermost = next;
    }
    match of_system {
        Some(error) if error.raw_os_error().is_some() => {
            io::Error::new(error.kind(), error.to_string()).into()
        }
        Some(error) if error.kind() == io::ErrorKind::TimedOut => "no answer in time".into(),
        Some(_) => "the remote ended the conversation".into(),
        None if source.source().is_none() => source,
        None => "the remote did not answer as git does".into(),
    }
}
