//! The records of each sheet, each a pure function of its number.

use super::Civic;
use super::rng::SplitMix64;
use super::toml::Fields;
use super::words::{self, CAUSES, FIRST_NAMES, LAST_NAMES, PLACES, TAG_WORDS, TECHS};

/// The number of tags in every corpus.
pub(super) const TAGS: usize = 200;

/// The kind of a record, which is the first part of its seed and of its id.
#[derive(Clone, Copy)]
enum Kind {
    Person = 1,
    Project,
    Membership,
    Update,
    TagAssignment,
    Role,
    Buzz,
    BlogPost,
    Tag,
}

type File = (String, Vec<u8>);

pub(super) fn person(civic: &Civic, i: usize, round: u64) -> File {
    let slug = person_slug(i);
    let (first, last) = person_name(i);
    let mut rng = rng(Kind::Person, i);
    let created = day(&mut rng);
    let login = rng.chance(60).then(|| format!("{}{}", slug.replace('-', ""), i % 97));
    let slack = rng.chance(40).then(|| slug.replace('-', "."));
    let level = ["staff", "administrator"].get(i % 1_000).copied().unwrap_or("user");
    // The bio depends on the round; everything else stays with the person.
    let mut rng = SplitMix64::for_parts(&[Kind::Person as u64, i as u64, 1, round]);
    let bio = match civic.folders {
        // Long enough for a record of about 650 bytes.
        Some(_) => bio_of_length(&mut rng, 315),
        None if rng.chance(6) => None,
        None => Some(bio(&mut rng)),
    };
    let shard = civic.folders.map(|folders| shard(i, folders));
    let mut fields = Fields::default()
        .text("accountLevel", level)
        .maybe("bio", bio)
        .text("createdAt", stamp(created, i, 0))
        .text("firstName", first)
        .text("fullName", format!("{first} {last}"))
        .maybe("githubLogin", login.as_deref())
        .text("id", id(Kind::Person, i))
        .text("lastName", last)
        .number("legacyId", i + 1)
        .maybe("shard", shard)
        .maybe("slackHandle", slack)
        .text("slug", &slug)
        .text("updatedAt", stamp(created + 30 + (round / 86_400) as usize, i, round));
    if login.is_some() {
        fields = fields.number("githubUserId", 1_000_000 + 7 * i);
    }
    (format!("people/{}.toml", civic.person_key(i)), fields.finish().into_bytes())
}

pub(super) fn project(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::Project, i);
    let (title, slug) = project_name(i);
    let created = day(&mut rng);
    let stage = rng.pick_early(STAGES);
    let summary = words::sentences(&mut rng, 1);
    let overview = format!(
        "{}\n\n## How to help\n\n{}\n",
        words::sentences(&mut rng, 3),
        words::sentences(&mut rng, 2)
    );
    let maintainer = rng.below(civic.people);
    let channel = rng.chance(50).then(|| slug.replace('-', "_"));
    let url = rng.chance(70).then(|| format!("https://code.example.org/{slug}"));
    let fields = Fields::default()
        .maybe("chatChannel", channel.map(|channel| clip(&channel, 40)))
        .text("createdAt", stamp(created, i, 0))
        .maybe("developersUrl", url)
        .flag("featured", false)
        .text("id", id(Kind::Project, i))
        .number("legacyId", i + 1)
        .text("maintainerId", id(Kind::Person, maintainer))
        .text("overview", overview)
        .text("slug", &slug)
        .text("stage", stage)
        .text("summary", summary)
        .text("title", title)
        .text("updatedAt", stamp(created + 90, i, 0));
    (format!("projects/{slug}.toml"), fields.finish().into_bytes())
}

pub(super) fn membership(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::Membership, i);
    let projects = projects(civic);
    let (project, member) = (i % projects, i / projects);
    // Members of one project are a sixteenth of the people apart, so nobody is a member twice.
    let first = SplitMix64::for_parts(&[project as u64]).below(civic.people);
    let person = (first + member * (civic.people / 16).max(1)) % civic.people;
    let (project_slug, person_slug) = (project_name(project).1, person_slug(person));
    let joined = stamp(day(&mut rng), i, 0);
    let role = rng.chance(70).then(|| rng.pick(ROLES));
    let fields = Fields::default()
        .text("createdAt", &joined)
        .text("id", id(Kind::Membership, i))
        .flag("isMaintainer", member == 0)
        .text("joinedAt", &joined)
        .text("personId", id(Kind::Person, person))
        .text("personSlug", &person_slug)
        .text("projectId", id(Kind::Project, project))
        .text("projectSlug", &project_slug)
        .maybe("role", role)
        .text("updatedAt", &joined);
    let path = format!("project-memberships/{project_slug}/{person_slug}.toml");
    (path, fields.finish().into_bytes())
}

pub(super) fn update(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::Update, i);
    let projects = projects(civic);
    let (project, number) = (i % projects, i / projects + 1);
    let slug = project_name(project).1;
    let created = stamp(day(&mut rng), i, 0);
    let author = id(Kind::Person, rng.below(civic.people));
    let body = format!(
        "{}\n\n- {}\n- {}\n",
        words::sentences(&mut rng, 3),
        words::sentences(&mut rng, 1),
        words::sentences(&mut rng, 1)
    );
    let fields = Fields::default()
        .text("authorId", author)
        .text("body", body)
        .text("createdAt", &created)
        .text("id", id(Kind::Update, i))
        .number("number", number)
        .text("projectId", id(Kind::Project, project))
        .text("projectSlug", &slug)
        .text("updatedAt", &created);
    (format!("project-updates/{slug}/{number}.toml"), fields.finish().into_bytes())
}

pub(super) fn tag_assignment(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::TagAssignment, i);
    let projects = projects(civic);
    // Five tags for each project, then one for each of the first people.
    let (kind, tag, taggable) = if i < 5 * projects {
        let first = SplitMix64::for_parts(&[(i % projects) as u64]).below(TAGS);
        let tag = (first + i / projects * 37) % TAGS;
        ("project", tag, id(Kind::Project, i % projects))
    } else {
        ("person", rng.below(TAGS), id(Kind::Person, i - 5 * projects))
    };
    let tag = id(Kind::Tag, tag);
    let path = format!("tag-assignments/{tag}/{kind}/{taggable}.toml");
    let fields = Fields::default()
        .text("assignedById", id(Kind::Person, rng.below(civic.people)))
        .text("createdAt", stamp(day(&mut rng), i, 0))
        .text("id", id(Kind::TagAssignment, i))
        .text("tagId", tag)
        .text("taggableId", taggable)
        .text("taggableType", kind);
    (path, fields.finish().into_bytes())
}

pub(super) fn role(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::Role, i);
    let project = i % projects(civic);
    let slug = project_name(project).1;
    let created = stamp(day(&mut rng), i, 0);
    let role = rng.pick(ROLES);
    let status = rng.pick_early(&["open", "filled", "closed"]);
    let hours = 1 + rng.below(8);
    let id = id(Kind::Role, i);
    let fields = Fields::default()
        .number("commitmentHoursPerWeek", hours)
        .text("createdAt", &created)
        .text("description", words::sentences(&mut rng, 3))
        .text("id", &id)
        .text("postedById", self::id(Kind::Person, rng.below(civic.people)))
        .text("projectId", self::id(Kind::Project, project))
        .text("projectSlug", &slug)
        .text("status", status)
        .text("title", format!("{role} for {}", project_name(project).0))
        .text("updatedAt", &created);
    (format!("help-wanted-roles/{slug}/{id}.toml"), fields.finish().into_bytes())
}

pub(super) fn buzz(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::Buzz, i);
    let project = i % projects(civic);
    let project_slug = project_name(project).1;
    let headline = words::headline(&mut rng);
    let slug = format!("{}-{}", clip(&words::slug(&headline), 60), i + 1);
    let published = stamp(day(&mut rng), i, 0);
    let fields = Fields::default()
        .text("createdAt", &published)
        .text("headline", headline)
        .text("id", id(Kind::Buzz, i))
        .text("postedById", id(Kind::Person, rng.below(civic.people)))
        .text("projectId", id(Kind::Project, project))
        .text("projectSlug", &project_slug)
        .text("publishedAt", &published)
        .text("slug", &slug)
        .text("summary", words::sentences(&mut rng, 2))
        .text("updatedAt", &published)
        .text("url", format!("https://news.example.org/{slug}"));
    (format!("project-buzz/{project_slug}/{slug}.toml"), fields.finish().into_bytes())
}

pub(super) fn blog_post(civic: &Civic, i: usize) -> File {
    let mut rng = rng(Kind::BlogPost, i);
    let title = words::title(&mut rng);
    let slug = format!("{}-{}", words::slug(&title), i + 1);
    let posted = stamp(day(&mut rng), i, 0);
    let front = Fields::default()
        .text("authorId", id(Kind::Person, rng.below(civic.people)))
        .text("createdAt", &posted)
        .text("id", id(Kind::BlogPost, i))
        .text("postedAt", &posted)
        .text("slug", &slug)
        .text("summary", words::sentences(&mut rng, 1))
        .text("title", title)
        .text("updatedAt", &posted)
        .finish();
    let mut body = String::new();
    for section in 0..2 + rng.below(4) {
        if section > 0 {
            body.push_str(&format!("## {}\n\n", words::title(&mut rng)));
        }
        let (first, second) = (3 + rng.below(4), 2 + rng.below(3));
        let (first, second) =
            (words::sentences(&mut rng, first), words::sentences(&mut rng, second));
        body.push_str(&format!("{first}\n\n{second}\n\n"));
    }
    let text = format!("+++\n{front}+++\n\n{}\n", body.trim_end());
    (format!("blog-posts/{slug}.md"), text.into_bytes())
}

pub(super) fn tag(i: usize) -> File {
    let techs = TECHS.len();
    let (namespace, title) = match i {
        _ if i < techs => ("tech", TECHS[i].to_owned()),
        _ if i < techs + 15 => ("event", format!("Hack night {}", 2011 + i - techs)),
        _ => {
            let i = i - techs - 15;
            let word = TAG_WORDS[i / CAUSES.len() % TAG_WORDS.len()];
            ("topic", format!("{} {word}", CAUSES[i % CAUSES.len()]))
        }
    };
    let slug = words::slug(&title);
    let created = stamp(0, i, 0);
    let fields = Fields::default()
        .text("createdAt", &created)
        .text("id", id(Kind::Tag, i))
        .number("legacyId", i + 1)
        .text("namespace", namespace)
        .text("slug", &slug)
        .text("title", title)
        .text("updatedAt", &created);
    (format!("tags/{namespace}/{slug}.toml"), fields.finish().into_bytes())
}

/// Returns the slug of person `i`: the name, and a number once all names are taken.
pub(super) fn person_slug(i: usize) -> String {
    let (first, last) = person_name(i);
    let mut slug = format!("{first}-{last}").to_ascii_lowercase();
    match i / (FIRST_NAMES.len() * LAST_NAMES.len()) {
        0 => {}
        times => slug.push_str(&format!("-{}", times + 1)),
    }
    slug
}

/// Returns the name of the folder of person `i`.
pub(super) fn shard(i: usize, folders: usize) -> String {
    format!("{:02x}", i % folders)
}

const STAGES: &[&str] = &[
    "prototyping",
    "testing",
    "commenting",
    "maintaining",
    "bootstrapping",
    "drifting",
    "hibernating",
];

const ROLES: &[&str] = &[
    "Frontend developer",
    "Backend developer",
    "Designer",
    "Data wrangler",
    "Project lead",
    "Writer",
    "Tester",
    "Community liaison",
    "Translator",
    "Researcher",
];

fn rng(kind: Kind, i: usize) -> SplitMix64 {
    SplitMix64::for_parts(&[kind as u64, i as u64])
}

/// Returns the number of projects.
fn projects(civic: &Civic) -> usize {
    civic.people.div_ceil(100)
}

/// Returns the first and last name; only every 11,520th person has the same ones.
fn person_name(i: usize) -> (&'static str, &'static str) {
    let names = FIRST_NAMES.len() * LAST_NAMES.len();
    // An odd factor coprime to the number of names walks through all of them.
    let at = (i * 7_919 + 13) % names;
    (FIRST_NAMES[at % FIRST_NAMES.len()], LAST_NAMES[at / FIRST_NAMES.len()])
}

/// Returns the title and slug of project `i`, which a number makes unique after the first few.
fn project_name(i: usize) -> (String, String) {
    let mut rng = SplitMix64::for_parts(&[Kind::Project as u64, i as u64, 1]);
    let mut title = words::title(&mut rng);
    if i >= PLACES.len() {
        title.push_str(&format!(" {i}"));
    } else {
        title.push_str(&format!(" of {}", PLACES[i]));
    }
    let slug = words::slug(&title);
    (title, slug)
}

fn bio(rng: &mut SplitMix64) -> String {
    let opening = words::introduction(rng);
    let count = 2 + rng.below(4);
    let more = words::sentences(rng, count);
    match rng.below(10) {
        0 => format!("{opening}\n\n{more}\n"),
        1 => opening,
        _ => format!("{opening} {more}"),
    }
}

fn bio_of_length(rng: &mut SplitMix64, length: usize) -> Option<String> {
    let mut text = words::introduction(rng);
    while text.len() < length {
        text.push(' ');
        text.push_str(&words::sentences(rng, 1));
    }
    Some(text)
}

/// Returns a day number between 2012 and 2025.
fn day(rng: &mut SplitMix64) -> usize {
    rng.below(13 * 365)
}

/// Returns an instant as the text in records: `day` days after 2012-01-01, at a time of day that
/// depends on `i`, plus `seconds`.
fn stamp(day: usize, i: usize, seconds: u64) -> String {
    let (year, month, date) = civil(15_340 + day);
    let second = (i as u64 * 61 + seconds) % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the year, month and day of the date `days` after 1970-01-01.
fn civil(days: usize) -> (usize, usize, usize) {
    // Years are counted from March, so that the leap day is the last of a year.
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + days / 146_097 * 400 + usize::from(month <= 2), month, date)
}

/// Returns an id that looks like a UUID of version 7 and encodes `kind` and `i`.
fn id(kind: Kind, i: usize) -> String {
    let noise = SplitMix64::for_parts(&[kind as u64, i as u64, 2]).next_u64();
    let millis = 1_325_376_000_000 + 997 * i as u64 + kind as u64;
    format!(
        "{:08x}-{:04x}-7{:03x}-{:x}{:03x}-{:012x}",
        millis >> 16,
        millis & 0xFFFF,
        noise >> 52,
        8 + (noise >> 50 & 3),
        noise >> 38 & 0xFFF,
        noise & 0xF_FFFF_FFFF | (kind as u64) << 40
    )
}

/// Returns at most `length` bytes of an ASCII `text`, without a separator at the end.
fn clip(text: &str, length: usize) -> String {
    text.chars().take(length).collect::<String>().trim_end_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_numbers_become_calendar_dates() {
        assert_eq!(stamp(0, 0, 0), "2012-01-01T00:00:00Z");
        assert_eq!(stamp(59, 0, 0), "2012-02-29T00:00:00Z");
        assert_eq!(stamp(366, 1, 1), "2013-01-01T00:01:02Z");
    }

    #[test]
    fn ids_have_the_shape_of_a_uuid_of_version_seven() {
        let id = id(Kind::Person, 4_711);
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "7");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn every_name_is_used_once_before_any_is_used_twice() {
        let names = FIRST_NAMES.len() * LAST_NAMES.len();
        let distinct: std::collections::HashSet<_> = (0..names).map(person_name).collect();
        assert_eq!(distinct.len(), names);
    }
}
