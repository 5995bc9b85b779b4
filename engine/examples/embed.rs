//! A program that embeds the engine: it reads, writes, and follows what is pushed.
//!
//! ```sh
//! cargo run --example embed -- https://example.org/data.git people ada
//! ```
//!
//! prints the record `ada` of the sheet `people`, greets it in a commit, and then prints each change
//! of the branch until it is interrupted.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use headwater_engine::budget::Budget;
use headwater_engine::engine::{Engine, EngineConfig, Ledger, Observer, Published};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::mirror::{Identity, Remote, RemoteOptions};
use headwater_engine::query::ListQuery;
use headwater_engine::write::{Action, Batch, Condition, Operation};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [remote, sheet, key] = arguments.as_slice() else {
        return Err("usage: embed REMOTE SHEET KEY".into());
    };
    let mut out = io::stdout().lock();
    let Embedded { engine, published } = open(remote, Path::new("embed-mirror.git"))?;
    read(&engine, sheet, key, &mut out)?;
    greet(&engine, sheet, key)?;
    while let Ok(publication) = published.recv() {
        follow(&publication, &mut out)?;
    }
    Ok(())
}

/// The engine, and what it publishes.
pub(crate) struct Embedded {
    pub(crate) engine: Engine,
    pub(crate) published: Receiver<Arc<Published>>,
}

/// Clones the remote, or opens the clone, and asks the remote every few seconds from then on.
pub(crate) fn open(remote: &str, mirror: &Path) -> Result<Embedded, Box<dyn Error>> {
    let (sender, published) = channel();
    let remote = Remote::new(remote, RemoteOptions::default())?;
    let config = EngineConfig {
        poll_interval: Some(Duration::from_secs(10)),
        // An observer runs on the engine's thread: it hands over and returns.
        publication_observer: Observer::new(move |publication: &Arc<Published>| {
            let _ = sender.send(publication.clone());
        }),
        writes: Some(Identity::parse("Embedding program <program@example.org>")?),
        push: true,
        ..EngineConfig::of(mirror, Some(Arc::new(remote)))
    };
    Ok(Embedded { engine: Engine::open(config, Arc::new(Ledger::new()))?, published })
}

/// Prints a record, and how many records of its sheet have a name.
pub(crate) fn read(
    engine: &Engine,
    sheet: &str,
    key: &str,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    // Everything that is read from one snapshot is of one commit, whatever is pushed meanwhile.
    let snapshot = engine.snapshot();
    let record = snapshot.visible(sheet, key).ok_or("no such record")?;
    writeln!(out, "{}/{key} at {}: {}", sheet, snapshot.commit(), record.value.as_str())?;

    let sheet = snapshot.sheet(sheet).ok_or("no such sheet")?;
    let conditions = [("filter".to_owned(), "has(name)".to_owned())];
    let query = ListQuery::parse(&conditions, sheet).map_err(|problems| {
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
    })?;
    let page = query.run(sheet, snapshot.text(), &Budget::unlimited())?;
    writeln!(out, "{} of {} have a name", page.total, sheet.shown())?;
    Ok(())
}

/// Writes a greeting into a record, as one commit. The engine pushes it.
pub(crate) fn greet(engine: &Engine, sheet: &str, key: &str) -> Result<(), Box<dyn Error>> {
    let greeting = Operation {
        sheet: SheetName::new(sheet),
        action: Action::Patch(Key::new(key), json!({ "greeting": "hello" })),
        condition: Condition::Present,
    };
    let author = Identity::parse("Ada <ada@example.org>")?;
    // Returns once the commit is on the disk and every reader sees it.
    engine.commit(Batch::new(author, format!("Greet {key}"), vec![greeting]))?;
    Ok(())
}

/// Prints what a publication changes.
pub(crate) fn follow(publication: &Published, out: &mut impl Write) -> io::Result<()> {
    let delta = &publication.delta;
    writeln!(out, "{} to {}:", delta.from, delta.to)?;
    for change in &delta.changes {
        let what = match (&change.before, &change.after) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => "changed",
        };
        writeln!(out, "  {}/{} {what}", change.sheet, change.key)?;
    }
    Ok(())
}
