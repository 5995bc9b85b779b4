//! The vocabulary of the corpus and the sentences made from it.

use super::rng::SplitMix64;

/// Returns `count` sentences about the work of a civic-tech group.
pub(super) fn sentences(rng: &mut SplitMix64, count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(&fill(rng, SENTENCES));
    }
    text
}

/// Returns a title of a few words.
pub(super) fn title(rng: &mut SplitMix64) -> String {
    fill(rng, TITLES)
}

/// Returns a newspaper headline.
pub(super) fn headline(rng: &mut SplitMix64) -> String {
    fill(rng, HEADLINES)
}

/// Returns a sentence that introduces a person.
pub(super) fn introduction(rng: &mut SplitMix64) -> String {
    fill(rng, INTRODUCTIONS)
}

/// Turns a text into a slug of lower-case words.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Picks a pattern and replaces each `{name}` in it with a word of that kind.
fn fill(rng: &mut SplitMix64, patterns: &[&str]) -> String {
    let pattern = rng.pick(patterns);
    let mut text = String::with_capacity(2 * pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (kind, after) = after.split_once('}').expect("patterns close what they open");
        text.push_str(before);
        let word = rng.pick_early(match kind {
            "cause" => CAUSES,
            "tech" => TECHS,
            "place" => PLACES,
            "thing" => THINGS,
            "verb" => VERBS,
            "group" => GROUPS,
            "job" => JOBS,
            "quality" => QUALITIES,
            _ => TIMES,
        });
        let after_article = text.ends_with(" a ") || matches!(&*text, "A " | "a ");
        if after_article && begins_with_vowel_sound(word) {
            text.insert(text.len() - 1, 'n');
        }
        text.push_str(word);
        rest = after;
    }
    text.push_str(rest);
    // A filled-in word may begin the sentence.
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn begins_with_vowel_sound(word: &str) -> bool {
    word.starts_with(['a', 'e', 'i', 'o', 'u']) && !word.starts_with("use")
        || word.starts_with("honest")
}

pub(super) const FIRST_NAMES: &[&str] = &[
    "Maria", "James", "Aisha", "Wei", "Sofia", "Daniel", "Priya", "Omar", "Hannah", "Luis",
    "Grace", "Kwame", "Elena", "Jamal", "Mei", "Peter", "Fatima", "Ryan", "Ines", "Tomas", "Nia",
    "Victor", "Leila", "Samuel", "Yuki", "Carlos", "Amara", "Jonas", "Rosa", "Ethan", "Zainab",
    "Marcus", "Clara", "Dmitri", "Olivia", "Hassan", "Ruth", "Andre", "Linh", "Patrick", "Camila",
    "Noah", "Sana", "Isaac", "Bianca", "Arjun", "Helen", "Malik", "Greta", "Diego", "Joy",
    "Stefan", "Imani", "Felix", "Nadia", "Owen", "Tamar", "Rafael", "Lucy", "Kofi", "Anna",
    "Emeka", "Julia", "Vikram", "Naomi", "Paolo", "Delia", "Simon", "Keiko", "Abel", "Monica",
    "Idris", "Teresa", "Levi", "Farah", "Hugo", "Celeste", "Bruno", "Vera", "Tariq", "Esther",
    "Milo", "Ximena", "Gideon", "Renee", "Anton", "Lorna", "Quincy", "Petra", "Rashid", "Audrey",
    "Caleb", "Mina", "Oscar", "Thuy", "Walter",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Alvarez",
    "Baker",
    "Chen",
    "Diallo",
    "Evans",
    "Fischer",
    "Garcia",
    "Hughes",
    "Ibrahim",
    "Jones",
    "Kim",
    "Lopez",
    "Mbeki",
    "Nguyen",
    "Okafor",
    "Patel",
    "Quinn",
    "Rossi",
    "Singh",
    "Torres",
    "Usman",
    "Vargas",
    "Walsh",
    "Xu",
    "Young",
    "Zhang",
    "Abbott",
    "Brooks",
    "Castillo",
    "Dubois",
    "Ellis",
    "Farouk",
    "Gupta",
    "Haddad",
    "Ito",
    "Jensen",
    "Kowalski",
    "Larsen",
    "Moreno",
    "Novak",
    "Ortiz",
    "Petrov",
    "Reyes",
    "Schmidt",
    "Tanaka",
    "Underwood",
    "Volkov",
    "Weber",
    "Yamada",
    "Zimmer",
    "Adeyemi",
    "Bianchi",
    "Cohen",
    "Delgado",
    "Eriksen",
    "Ferrari",
    "Grant",
    "Hernandez",
    "Ivanov",
    "Joshi",
    "Kaplan",
    "Lindgren",
    "Mancini",
    "Nakamura",
    "Osei",
    "Pereira",
    "Ramos",
    "Santos",
    "Takeda",
    "Urban",
    "Vasquez",
    "Wright",
    "Yilmaz",
    "Zeller",
    "Armstrong",
    "Boateng",
    "Carter",
    "Douglas",
    "Espinoza",
    "Foster",
    "Gallagher",
    "Holloway",
    "Iverson",
    "Jackson",
    "Kelley",
    "Lambert",
    "Mitchell",
    "Norris",
    "Oliver",
    "Porter",
    "Riley",
    "Sanders",
    "Thornton",
    "Upshaw",
    "Vance",
    "Whitaker",
    "Yates",
    "Zamora",
    "Ames",
    "Bell",
    "Cruz",
    "Dixon",
    "Early",
    "Flores",
    "Greene",
    "Hart",
    "Irwin",
    "Jimenez",
    "Knight",
    "Lowe",
    "Marsh",
    "Nolan",
    "Owens",
    "Pierce",
    "Ramsey",
    "Stokes",
    "Tate",
    "Ulrich",
    "Vega",
    "Webb",
];

/// The last words of tag names; the first words are causes and techs.
pub(super) const TAG_WORDS: &[&str] =
    &["data", "tools", "policy", "research", "outreach", "design", "mapping", "access"];

pub(super) const CAUSES: &[&str] = &[
    "housing",
    "transit",
    "food access",
    "voting",
    "public health",
    "open budgets",
    "air quality",
    "street safety",
    "libraries",
    "school enrollment",
    "tree planting",
    "tenant rights",
    "broadband",
    "recycling",
    "court records",
    "bike lanes",
    "snow removal",
    "youth jobs",
    "water quality",
    "immigration",
    "park upkeep",
    "lead testing",
    "energy bills",
    "adult literacy",
    "flood alerts",
    "reentry",
    "vacant lots",
    "property taxes",
    "language access",
    "elder care",
];

pub(super) const TECHS: &[&str] = &[
    "Python",
    "JavaScript",
    "Rust",
    "PostgreSQL",
    "React",
    "Django",
    "TypeScript",
    "PostGIS",
    "Vue",
    "Go",
    "Leaflet",
    "Ruby",
    "Kotlin",
    "Swift",
    "Flutter",
    "GraphQL",
    "Elixir",
    "SQLite",
    "Svelte",
    "Terraform",
    "Docker",
    "D3",
    "R",
    "Java",
    "Airflow",
];

pub(super) const PLACES: &[&str] = &[
    "Riverside",
    "the north side",
    "Harbor Point",
    "Mill Creek",
    "the east wards",
    "Old Town",
    "Fairmount",
    "Kingsway",
    "the west end",
    "Cedar Park",
    "Union Square",
    "Lakeview",
    "Southgate",
    "Brickyard",
    "Highland",
    "the market district",
    "Elmwood",
    "Stonebridge",
    "Garden Heights",
    "Ferry Landing",
];

const THINGS: &[&str] = &[
    "map",
    "dashboard",
    "dataset",
    "text line",
    "chatbot",
    "survey",
    "mobile app",
    "data pipeline",
    "directory",
    "calendar",
    "form",
    "archive",
    "search page",
    "newsletter",
    "toolkit",
    "sensor kit",
    "spreadsheet importer",
    "open API",
    "story collection",
    "volunteer roster",
    "style guide",
    "translation layer",
    "report card",
    "alert service",
    "scraper",
    "prototype",
    "workbook",
];

const VERBS: &[&str] = &[
    "map",
    "track",
    "explain",
    "publish",
    "compare",
    "collect",
    "translate",
    "forecast",
    "visualize",
    "clean up",
    "document",
    "audit",
    "measure",
    "simplify",
    "share",
    "monitor",
    "prioritize",
    "digitize",
    "report",
    "schedule",
    "verify",
    "connect",
];

const GROUPS: &[&str] = &[
    "neighbors",
    "residents",
    "volunteers",
    "students",
    "city staff",
    "librarians",
    "tenants",
    "organizers",
    "researchers",
    "designers",
    "teachers",
    "nurses",
    "small businesses",
    "journalists",
    "newcomers",
    "developers",
    "block captains",
    "parents",
    "riders",
    "community partners",
];

const JOBS: &[&str] = &[
    "software developer",
    "data analyst",
    "product designer",
    "project manager",
    "teacher",
    "urban planner",
    "nurse",
    "librarian",
    "graduate student",
    "researcher",
    "city employee",
    "policy analyst",
    "web developer",
    "cartographer",
    "technical writer",
    "social worker",
    "systems administrator",
    "retired engineer",
    "journalist",
    "economist",
    "paralegal",
    "user researcher",
    "accountant",
    "statistician",
    "translator",
];

const QUALITIES: &[&str] = &[
    "open",
    "reliable",
    "accessible",
    "friendly",
    "small",
    "accurate",
    "bilingual",
    "fast",
    "honest",
    "free",
    "printable",
    "offline",
    "transparent",
    "shared",
    "lightweight",
    "well documented",
    "welcoming",
    "durable",
    "practical",
    "local",
];

const TIMES: &[&str] = &[
    "every week",
    "last spring",
    "this month",
    "since 2019",
    "over the summer",
    "on Tuesdays",
    "after the last hack night",
    "within a year",
    "before the election",
    "in the evenings",
    "during the winter",
    "at the annual showcase",
    "for three seasons",
    "by October",
];

const TITLES: &[&str] = &[
    "{place} {cause} {thing}",
    "Open {cause} {thing}",
    "{cause} for {group}",
    "A {quality} {thing} for {cause}",
    "{verb} {cause} together",
    "{place} {thing}",
    "The {cause} {thing}",
    "{group} for {cause}",
];

const HEADLINES: &[&str] = &[
    "How {group} in {place} {verb} {cause}",
    "A {quality} {thing} changes {cause} in {place}",
    "Volunteers built a {thing} for {cause} with {tech}",
    "{place} turns to a {quality} {thing} for {cause}",
    "{group} and coders team up on {cause}",
];

const INTRODUCTIONS: &[&str] = &[
    "I'm a {job} from {place} who cares about {cause}.",
    "A {job} by day, I work on {cause} with {group} {time}.",
    "{job} interested in {cause}, {cause} and {quality} software.",
    "I moved to {place} to work with {group} on {cause}.",
    "Long-time {job}; lately learning {tech} to {verb} {cause}.",
    "I came for {cause} and stayed for the {group}.",
    "{job} who likes {tech}, {quality} data and long walks in {place}.",
];

const SENTENCES: &[&str] = &[
    "We {verb} {cause} with a {quality} {thing} that {group} can use.",
    "The {thing} is written in {tech} and runs in {place}.",
    "Most of the work happened {time}, together with {group} from {place}.",
    "Our next step is to {verb} the {cause} data and publish it as a {thing}.",
    "If you know {tech} or want to learn it, come and say hello.",
    "{group} told us that {cause} is hard to follow without a {quality} {thing}.",
    "It started as a {thing} for {cause} and grew when {group} asked for more.",
    "The city's {cause} records are scattered, so we {verb} them {time}.",
    "A {job} and two {group} keep the {thing} going.",
    "We meet {time} and always need a {job} or two.",
    "Please don't expect a {quality} {thing} yet; the {tech} code is young.",
    "In {place} the {thing} helped {group} to {verb} {cause}.",
    "I have helped to {verb} {cause} {time}, mostly with {tech} and {tech}.",
    "My favorite project so far is the {thing} we made for {group} in {place}.",
    "What we learned: {quality} data on {cause} beats a clever {thing}.",
    "Numbers on {cause} come from {group} and are checked by a {job}.",
    "We replaced {tech} with {tech}, and the {thing} became more {quality}.",
    "There's a {quality} guide for {group} who want to {verb} {cause} themselves.",
];
