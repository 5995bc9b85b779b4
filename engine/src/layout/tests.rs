use super::*;
use crate::language::Language;
use crate::value::FieldPath;

fn file(path: &str, text: &str) -> DefinitionFile {
    DefinitionFile { path: path.into(), bytes: text.into() }
}

fn gitsheets(files: &[(&str, &str)]) -> Layout {
    let gitsheets = files.iter().map(|(name, text)| file(&format!(".gitsheets/{name}.toml"), text));
    Layout::read(&DefinitionFiles { gitsheets: gitsheets.collect(), ..Default::default() })
}

fn claimed(layout: &Layout, path: &str) -> Vec<(String, String)> {
    let claims = layout.claims(path.as_bytes());
    claims.iter().map(|claim| (claim.sheet.name.to_string(), claim.key.to_string())).collect()
}

fn one(sheet: &str, key: &str) -> Vec<(String, String)> {
    vec![(sheet.into(), key.into())]
}

fn problems(layout: &Layout) -> Vec<String> {
    layout.problems().map(|problem| problem.message.clone()).collect()
}

const PEOPLE: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";

#[test]
fn a_sheet_of_fixed_depth_leaves_deeper_files_to_attachments() {
    let layout = gitsheets(&[("people", PEOPLE)]);
    assert_eq!(claimed(&layout, "people/jane.toml"), one("people", "jane"));
    for path in [
        "people/jane/note.toml",
        "people/jane.md",
        "people/.toml",
        "other/jane.toml",
        "people.toml",
        "peoples/x.toml",
        ".gitsheets/people.toml",
    ] {
        assert!(claimed(&layout, path).is_empty(), "{path}");
    }
}

#[test]
fn an_attachment_lies_beside_its_record_and_is_nothing_else() {
    let layout = gitsheets(&[
        ("people", PEOPLE),
        ("photos", "[gitsheet]\nroot = \"people/jane/photos\"\npath = \"${{ id }}\"\n"),
        ("notes", "[gitsheet]\nroot = \"people/joe\"\npath = \"${{ id }}\"\n"),
        ("docs", "[gitsheet]\nroot = \"docs\"\npath = \"${{ p/** }}\"\n"),
        ("all", "[gitsheet]\npath = \"${{ name }}\"\n"),
    ]);
    let attachment = |sheet: &str, path: &str, name: &str| {
        layout.attachment_of(layout.sheet(sheet).unwrap(), path, name)
    };
    let of_jane = |name: &str| attachment("people", "people/jane.toml", name);
    assert_eq!(of_jane("cv.pdf").as_deref(), Some("people/jane/cv.pdf"));
    assert_eq!(of_jane("note.toml").as_deref(), Some("people/jane/note.toml"));
    for name in ["photos/1.jpg", "a\u{0}b", "a:b", "..", ""] {
        assert_eq!(of_jane(name), None, "{name:?}");
    }
    assert_eq!(attachment("people", "people/joe.toml", "1.toml"), None, "a record of notes");
    assert!(attachment("people", "people/joe.toml", "1.jpg").is_some());
    assert_eq!(attachment("all", ".gitsheets.toml", "people.toml"), None, "a definition");
    assert_eq!(attachment("docs", "docs/a.toml", "b.jpg"), None, "every file is a record");
}

#[test]
fn every_file_of_a_recursive_sheet_is_a_record() {
    let layout =
        gitsheets(&[("docs", "[gitsheet]\nroot = \"/docs/./\"\npath = \"${{ p/** }}\"\n")]);
    assert_eq!(claimed(&layout, "docs/a.toml"), one("docs", "a"));
    assert_eq!(claimed(&layout, "docs/a/b.x.toml"), one("docs", "a/b.x"));
}

#[test]
fn a_sheet_at_the_root_of_the_repository_does_not_claim_definitions() {
    let layout = gitsheets(&[("all", "[gitsheet]\npath = \"${{ a }}/${{ b }}\"\n")]);
    assert_eq!(claimed(&layout, "x/y.toml"), one("all", "x/y"));
    assert!(claimed(&layout, ".gitsheets/all.toml").is_empty());
}

#[test]
fn a_broken_definition_claims_nothing_and_says_why() {
    let cases = [
        ("a = = 1", ""),
        ("[other]", "[gitsheet] is missing"),
        ("[gitsheet]\nroot = 1\npath = \"x\"", "root must be a string"),
        ("[gitsheet]", "gitsheet.path"),
        ("[gitsheet]\npath = \"a//b\"", "component of the path template is empty"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[gitsheet.format]\ntype = \"csv\"", "csv"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[gitsheet.format]\ntype = \"markdown\"", "body"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[gitsheet.fields.x]\nsort = [1]", "fields.x.sort"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[gitsheet.schema]\nbogus = 1", "bogus"),
        ("[gitsheet]\npath = \"${{ a }}\"\nimplements = [\"x.org/y\"]", "not vendored"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[headwater]\nindx = []", "indx"),
        ("[gitsheet]\nroot = \"people/../x\"\npath = \"${{ a }}\"", "must not contain `..`"),
        ("[gitsheet]\npath = \"${{ a }}\"\npublic = false", "belongs in the table [headwater]"),
        ("public = false\n[gitsheet]\npath = \"${{ a }}\"", "belongs in the table [headwater]"),
        ("[gitsheet]\npath = \"${{ a }}\"\n[headwater]\npolicy = \"maybe\"", "policy"),
        (
            "[gitsheet]\npath = \"${{ a }}\"\n[gitsheet.schema.properties.tags]\n\
             type = \"array\"\n[headwater]\nunique = [\"tags\"]",
            "tags",
        ),
    ];
    for (text, told) in cases {
        let layout = gitsheets(&[("s", text)]);
        let found = problems(&layout);
        assert!(!found.is_empty() && found[0].contains(told), "{text}: {found:?}");
        assert!(claimed(&layout, "x.toml").is_empty(), "{text}");
        assert_eq!(layout.sheets().count(), 1, "it is listed");
    }
    assert!(!problems(&gitsheets(&[("_s", PEOPLE)])).is_empty(), "a reserved name");
}

const PROJECTS: &str = "[gitsheet]\nroot = \"projects\"\npath = \"${{ slug }}\"\n";

#[test]
fn a_reference_tells_both_sheets_what_to_index() {
    let roles = format!(
        "{}[headwater]\nrefs = {{ projectId = \"projects.id\", \"by.person\" = \"people\" }}\n",
        PROJECTS.replace("projects", "roles")
    );
    let hidden = format!("{PEOPLE}[headwater]\nhidden = \"gone\"\n");
    let layout = gitsheets(&[("roles", &roles), ("projects", PROJECTS), ("people", &hidden)]);
    assert_eq!(problems(&layout), [] as [&str; 0]);
    let indexed = |name: &str| -> Vec<String> {
        layout.sheet(name).unwrap().indexed().iter().map(ToString::to_string).collect()
    };
    assert_eq!(indexed("roles"), ["by.person", "projectId"]);
    assert_eq!(indexed("projects"), ["id"]);
    assert_eq!(indexed("people"), [] as [&str; 0]);
    assert_eq!(layout.sheet("people").unwrap().referenced, [None]);
    let roles = layout.sheet("roles").unwrap();
    assert!(roles.known_fields().contains("projectId"));
    assert!(layout.sheet("projects").unwrap().known_fields().contains("id"));
    let project = roles.reference("projectId").unwrap();
    assert_eq!(
        (project.sheet.as_str(), &project.target),
        ("projects", &Some(FieldPath::new("id")))
    );
    assert!(project.is_public && project.is_open);
    let person = roles.reference("by.person").unwrap();
    assert!(person.is_public && !person.is_open, "some of them may be hidden");
}

#[test]
fn fields_with_an_index_are_told_in_the_order_of_the_definition() {
    let text = "[sheets.s]\nindex = ['size', 'age', 'size', 'mail']\nunique = ['mail', 'id']\n\
                refs = { by = 's.name' }\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    let sheet = layout.sheet("s").unwrap();
    let told = |fields: Vec<FieldPath>| fields.iter().map(ToString::to_string).collect::<Vec<_>>();
    let declared = ["size", "age", "mail", "id", "by", "name"];
    assert_eq!(told(sheet.indexed_as_declared()), declared);
    let mut sorted = declared;
    sorted.sort_unstable();
    assert_eq!(told(sheet.indexed()), sorted);
}

#[test]
fn a_reference_that_cannot_hold_is_a_problem_of_its_definition() {
    let number = "[gitsheet.schema]\nadditionalProperties = false\n\
                  [gitsheet.schema.properties]\nslug = { type = \"string\" }\n\
                  n = { type = \"integer\" }\nids = { type = \"array\", items = { type = \"string\" } }\n";
    let people = format!("{PEOPLE}{number}");
    let with = |refs: &str| {
        let roles = PROJECTS.replace("projects", "roles");
        let roles = format!("{roles}{number}[headwater]\nrefs = {refs}\n");
        gitsheets(&[("roles", &roles), ("people", &people)])
    };
    for (refs, told) in [
        ("{ slug = \"nobody\" }", "slug refers to a sheet that does not exist"),
        ("{ slug = \"people.nope\" }", "slug refers to a field that is not in the schema there"),
        ("{ nope = \"people\" }", "the schema has no field nope"),
        ("{ n = \"people\" }", "n has another type than the field it refers to"),
        ("{ slug = \"people.n\" }", "slug has another type"),
        ("{ ids = \"people.n\" }", "ids has another type"),
        ("[\"people\"]", "refs must be a table"),
        ("{ slug = 1 }", "refs must be a table"),
        ("{ slug = \"people.\" }", "refs must be a table"),
        ("{ slug = \".id\" }", "refs must be a table"),
    ] {
        let layout = with(refs);
        let found = problems(&layout);
        assert_eq!(found.len(), 1, "{refs}: {found:?}");
        assert!(found[0].contains(told), "{refs}: {found:?}");
        let line = layout.problems().next().unwrap().line;
        assert_eq!(line, Some(11), "{refs}: of the setting");
        assert!(claimed(&layout, "roles/x.toml").is_empty(), "{refs}");
        assert_eq!(claimed(&layout, "people/x.toml").len(), 1, "{refs}");
    }
    for refs in ["{ n = \"people.n\" }", "{ ids = \"people\" }", "{ slug = \"roles.slug\" }"] {
        assert_eq!(problems(&with(refs)), [] as [&str; 0], "{refs}");
    }
}

#[test]
fn a_reference_is_to_the_sheet_with_the_longest_name_and_may_be_a_field_of_the_path() {
    let text = "[sheets.a]\npath = \"${{ by }}/${{ id }}\"\nrefs = { by = \"content.people\" }\n\
                schema = { additionalProperties = false }\n\
                [sheets.b]\nrefs = { x = \"content.people.id\", y = \"content.other\" }\n\
                [sheets.content]\n[sheets.\"content.people\"]\n";
    let layout = declared(text);
    assert_eq!(problems(&layout), [] as [&str; 0]);
    let to = |sheet: &str, field: &str| {
        let reference = layout.sheet(sheet).unwrap().reference(field).unwrap();
        let target = reference.target.as_ref().map(ToString::to_string);
        (reference.sheet.to_string(), target.unwrap_or_default())
    };
    assert_eq!(to("a", "by"), ("content.people".into(), String::new()));
    assert_eq!(to("b", "x"), ("content.people".into(), "id".into()));
    assert_eq!(to("b", "y"), ("content".into(), "other".into()));
}

#[test]
fn a_reference_into_a_sheet_that_cannot_be_used_is_left_out() {
    let roles = format!(
        "{}[headwater]\nrefs = {{ person = \"people\" }}\n",
        PROJECTS.replace("projects", "roles")
    );
    let layout = gitsheets(&[("roles", &roles), ("people", "[gitsheet]\n")]);
    assert_eq!(problems(&layout).len(), 1, "that of the other sheet");
    assert_eq!(layout.sheet("roles").unwrap().refs, []);
    let text = "[sheets.a]\nrefs = { b = 'nobody' }\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    assert!(problems(&layout)[0].starts_with("sheets.a: refs: b refers to a sheet"), "{layout:?}");
}

#[test]
fn the_body_of_a_document_is_no_field_of_its_path() {
    let with_body = |body: &str| {
        let format = format!("[gitsheet.format]\ntype = \"markdown\"\nbody = \"{body}\"\n");
        problems(&gitsheets(&[("s", &format!("[gitsheet]\npath = \"${{{{ a }}}}\"\n{format}"))]))
    };
    assert_eq!(with_body("text"), [] as [&str; 0]);
    assert!(with_body("a")[0].contains("is a field of the path"));
}

#[test]
fn rules_for_sorting_are_checked() {
    let with_sort = |sort: &str| {
        let text =
            format!("[gitsheet]\npath = \"${{{{ a }}}}\"\n[gitsheet.fields.x]\nsort = {sort}\n");
        problems(&gitsheets(&[("s", &text)]))
    };
    for sort in ["true", "\"x\"", "[\"x\", \"y\"]", "{ x = \"ASC\", y = \"DESC\" }"] {
        assert_eq!(with_sort(sort), [] as [&str; 0], "{sort}");
    }
    for sort in ["1", "[\"x\", 1]", "{ x = \"ASC\", y = \"UP\" }", "{ x = 1 }"] {
        assert_eq!(with_sort(sort).len(), 1, "{sort}");
    }
}

#[test]
fn unknown_keys_of_gitsheets_are_passed_over() {
    let text = "x = 1\n[gitsheet]\nroot = \"r\"\npath = \"${{ a }}\"\nnew = true\n";
    assert_eq!(problems(&gitsheets(&[("s", text)])), [] as [&str; 0]);
}

#[test]
fn a_setting_in_another_place_than_its_own_is_a_problem_at_its_line() {
    let sheet = "[gitsheet]\npath = \"${{ a }}\"\n";
    let secret = "hidden = \"a\"\n";
    let misplaced = [
        (1, format!("public = false\n{sheet}")),
        (1, format!("{secret}{sheet}")),
        (3, format!("{sheet}public = false\n")),
        (4, format!("{sheet}[Headwater]\npublic = false\n")),
        (4, format!("{sheet}[headwatr]\n{secret}")),
        (4, format!("{sheet}[gitsheet.headwater]\npublic = false\n")),
        (4, format!("{sheet}[gitsheet.Headwater]\n{secret}")),
        (4, format!("{sheet}[gitsheet.format]\n{secret}")),
    ];
    for (line, text) in &misplaced {
        let layout = gitsheets(&[("s", text)]);
        let found: Vec<_> = layout.problems().collect();
        let [problem] = &found[..] else { panic!("{text}: {found:?}") };
        assert!(problem.message.ends_with("belongs in the table [headwater]"), "{problem:?}");
        assert_eq!(problem.line, Some(*line), "{text}");
        assert!(claimed(&layout, "x.toml").is_empty(), "{text}");
    }
    let listed = gitsheets(&[("s", &format!("{sheet}[[Headwater]]\npublic = false\n"))]);
    assert_eq!(problems(&listed).len(), 1);
    // The names of fields, and what others keep there.
    for text in [
        format!("{sheet}[gitsheet.fields.hidden]\nsort = true\n"),
        format!("{sheet}[gitsheet.schema.properties.public]\ntype = \"boolean\"\n"),
        format!("{sheet}[Headwater]\nx = 1\n[other]\npublic = false\n"),
    ] {
        assert_eq!(problems(&gitsheets(&[("s", &text)])), [] as [&str; 0], "{text}");
    }
}

#[test]
fn settings_are_read_from_the_table_that_gitsheets_ignores() {
    let text = format!(
        "{PEOPLE}[headwater]\nsearch = {{ title = 3.0, bio = 1 }}\nindex = [\"a.b\"]\n\
         unique = [\"id\"]\nhidden = \"deletedAt\"\npublic = false\npolicy = \"quarantine\"\n"
    );
    let layout = gitsheets(&[("people", &text)]);
    let spec = layout.sheet("people").unwrap();
    assert_eq!(problems(&layout), [] as [&str; 0]);
    assert_eq!(spec.search.as_ref().unwrap().len(), 2);
    assert_eq!(spec.index, [FieldPath::new("a.b")]);
    assert!(!spec.public && spec.policy == Policy::Quarantine);
    assert!(spec.known_fields().contains("slug") && spec.known_fields().contains("deletedAt"));
}

#[test]
fn a_language_is_one_that_is_known() {
    let with_language = |language: &str| {
        gitsheets(&[("s", &format!("{PEOPLE}[headwater]\nlanguage = {language}\n"))])
    };
    for (code, language) in
        [("de", Language::German), ("en", Language::English), ("none", Language::None)]
    {
        let layout = with_language(&format!("{code:?}"));
        assert_eq!(layout.sheet("s").unwrap().language, language);
    }
    assert_eq!(gitsheets(&[("s", PEOPLE)]).sheet("s").unwrap().language, Language::Unsaid);
    for unknown in ["\"xx\"", "\"EN\"", "\"\"", "1"] {
        let found = problems(&with_language(unknown));
        assert!(
            found[0].starts_with("language must be the ISO 639-1 code"),
            "{unknown}: {found:?}"
        );
    }
    assert!(!with_language("\"de\"").reads_alike(&with_language("\"en\"")));
}

#[test]
fn a_setting_that_is_wrong_is_told_with_its_place() {
    let places = |layout: &Layout| -> Vec<_> {
        layout.problems().map(|problem| (problem.line, problem.column)).collect()
    };
    let text = format!("{PEOPLE}\n[headwater]\n  language = \"xx\"\nindx = []\n");
    let layout = gitsheets(&[("s", &text)]);
    assert_eq!(places(&layout), [(Some(7), Some(1)), (Some(6), Some(3))]);
    let text = "[sheets.a]\npublic = true\n[sheets.b]\nlanguage = \"xx\"\nroot = 1\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    assert_eq!(places(&layout), [(None, None), (Some(4), Some(1))]);
}

#[test]
fn a_field_that_hides_records_and_is_written_as_in_another_language_is_a_problem_at_its_line() {
    let told = |layout: &Layout| -> Vec<_> {
        layout.problems().map(|problem| (problem.line, problem.message.clone())).collect()
    };
    let message = "hidden: \"contacts.*.private\" must be the names of fields with dots between \
                   them, here \"contacts.private\"; lists on the way are opened, and a number is a \
                   position";
    let hidden = "hidden = \"contacts.*.private\"\n";
    let layout = gitsheets(&[("s", &format!("{PEOPLE}\n[headwater]\n{hidden}"))]);
    assert_eq!(told(&layout), [(Some(6), message.to_owned())]);
    let read = |text: &str| {
        let headwater = Some(file("headwater.toml", text));
        Layout::read(&DefinitionFiles { headwater, ..Default::default() })
    };
    let layout = read(&format!("[sheets.a]\n{hidden}"));
    assert_eq!(told(&layout), [(Some(2), format!("sheets.a: {message}"))]);
    assert!(claimed(&layout, "a/x.toml").is_empty(), "nothing of it is shown");
    // Positions and the names of columns are names.
    for text in ["hidden = \"contacts.0.private\"\n", "format = \"csv\"\nhidden = \"tags[0]\"\n"] {
        assert_eq!(told(&read(&format!("[sheets.a]\n{text}"))), [], "{text}");
    }
}

#[test]
fn headwater_toml_defines_sheets_of_every_format() {
    let text = "[sheets.advisories]\nroot = \"vulns\"\nformat = \"yaml\"\nindex = [\"id\"]\n\
                [sheets.posts]\nformat = \"markdown\"\nbody = \"text\"\npath = \"${{ slug }}\"\n\
                [sheets.tags]\nroot = \"/meta/.//tags/\"\nformat = \"json\"\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    assert_eq!(problems(&layout), [] as [&str; 0]);
    assert!(!layout.is_inferred());
    assert_eq!(claimed(&layout, "vulns/a/b.yaml"), one("advisories", "a/b"));
    assert_eq!(claimed(&layout, "vulns/c.yml"), one("advisories", "c"));
    assert_eq!(claimed(&layout, "posts/x.md"), one("posts", "x"));
    assert!(claimed(&layout, "posts/y/x.md").is_empty());
    assert_eq!(claimed(&layout, "meta/tags/x.json"), one("tags", "x"));
    let value = layout.sheet("posts").unwrap().decode("posts/x.md", b"---\na: 1\n---\nhi\n");
    assert_eq!(value.unwrap().as_str(), r#"{"a":1,"text":"hi"}"#);
}

#[test]
fn a_sheet_of_one_file_claims_that_file_alone() {
    let text = "[sheets.langs]\nfile = \"/data/./languages.yml\"\nrecords = \"map\"\n\
                [sheets.data]\nformat = \"csv\"\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    assert_eq!(problems(&layout), [] as [&str; 0]);
    assert_eq!(claimed(&layout, "data/languages.yml"), one("langs", "languages"));
    assert!(claimed(&layout, "data/other.yml").is_empty());
    assert_eq!(claimed(&layout, "data/a/b.csv"), one("data", "a/b"));
    let paths = |sheet: &str, key: &str| layout.sheet(sheet).unwrap().paths_of(key);
    assert_eq!(paths("langs", "C++"), ["data/languages.yml"]);
    assert_eq!(paths("data", "a/b/1"), ["data/a/b/1.csv", "data/a/b.csv", "data/a.csv"]);
}

#[test]
fn a_headwater_toml_that_cannot_be_used_is_told() {
    let read = |text| {
        let headwater = Some(file("headwater.toml", text));
        Layout::read(&DefinitionFiles {
            headwater,
            gitsheets: vec![file(".gitsheets/people.toml", PEOPLE)],
            ..Default::default()
        })
    };
    for text in [
        "[sheets",
        "[sheet.x]\n",
        "sheets = 1\n",
        "[sheets.x]\nformat = \"xls\"\n",
        "[sheets.x]\nrecords = \"all\"\n",
        "[sheets.x]\nrecords = \"items\"\n",
        "[sheets.x]\nrecords = 1\n",
        "[sheets.x]\nformat = \"csv\"\nrecords = \"map\"\n",
        "[sheets.x]\nformat = \"markdown\"\nrecords = \"each\"\n",
        "[sheets.x]\nformat = \"json\"\nkey = \"${{ id }}\"\n",
        "[sheets.x]\nformat = \"json\"\nrecords = \"each\"\nkey = \"${{ id\"\n",
        "[sheets.x]\nformat = \"json\"\nrecords = \"each\"\ntypes = { a = \"string\" }\n",
        "[sheets.x]\nformat = \"csv\"\ntypes = { a = \"float\" }\n",
        "[sheets.x]\nfile = \"y/x.csv\"\nroot = \"y\"\n",
        "[sheets.x]\nfile = \"y/x\"\nformat = \"csv\"\n",
        "[sheets.x]\nfile = \"\"\nformat = \"csv\"\n",
        "[sheets._x]\n",
        "[sheets.people]\n",
        "[sheets.x]\nrot = \"y\"\n",
        "[sheets.x]\nroot = 1\n",
    ] {
        assert_eq!(problems(&read(text)).len(), 1, "{text}: {:?}", problems(&read(text)));
    }
    assert_eq!(problems(&read("sheets = { x = 1 }\n")), ["sheets.x: a sheet must be a table"]);
    assert_eq!(claimed(&read("[sheets"), "people/x.toml"), one("people", "x"), "the others stand");
}

#[test]
fn a_flaw_of_the_whole_file_is_of_no_sheet() {
    let headwater = Some(file("headwater.toml", "[sheets"));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    assert_eq!(layout.problems().next().unwrap().sheet, None);
}

#[test]
fn a_sheet_tells_its_formats_its_depth_and_whether_its_fields_are_known() {
    let text = "[sheets.y]\nformat = \"yaml\"\n[sheets.t]\npath = \"${{ a }}\"\n\
                [sheets.t.schema]\ntitle = \"t\"\n";
    let headwater = Some(file("headwater.toml", text));
    let layout = Layout::read(&DefinitionFiles { headwater, ..Default::default() });
    let told = |layout: &Layout, name: &str| {
        let spec = layout.sheet(name).unwrap();
        (spec.format_name(), spec.template.is_recursive(), spec.is_open())
    };
    assert_eq!(told(&layout, "y"), ("yaml", true, true));
    assert_eq!(told(&layout, "t"), ("toml", false, false));
    let root = vec![entry("any", true)];
    let inferred = Layout::read(&DefinitionFiles { root, ..Default::default() });
    assert_eq!(told(&inferred, "any"), ("mixed", true, true));
}

#[test]
fn settings_that_say_nothing_sensible_are_told() {
    let with = |setting: &str| {
        problems(&gitsheets(&[("s", &format!("{PEOPLE}[headwater]\n{setting}\n"))]))
    };
    for setting in
        ["policy = \"refuse\"", "search = { a = 0.5 }", "index = [\"a\", \".b\", \"a..b\"]"]
    {
        assert_eq!(with(setting), [] as [&str; 0], "{setting}");
    }
    for setting in
        ["search = { a = 0 }", "search = { a = -1 }", "search = { a = inf }", "index = [\"\"]"]
    {
        assert_eq!(with(setting).len(), 1, "{setting}");
    }
}

fn entry(name: &str, is_folder: bool) -> RootEntry {
    RootEntry { name: name.into(), is_folder }
}

#[test]
fn without_definitions_every_folder_is_a_sheet() {
    let root = vec![
        entry("teams", true),
        entry(".github", true),
        entry("_drafts", true),
        entry("README.md", false),
    ];
    let layout = Layout::read(&DefinitionFiles { root, ..Default::default() });
    assert!(layout.is_inferred());
    assert_eq!(layout.skipped(), [".github", "_drafts"]);
    assert_eq!(claimed(&layout, "teams/a/b.toml"), one("teams", "a/b"));
    assert_eq!(claimed(&layout, "teams/a.yml"), one("teams", "a"));
    assert_eq!(claimed(&layout, "README.md"), one("root", "README"));
    assert_eq!(claimed(&layout, "root/x.json"), one("root", "x"));
    assert_eq!(claimed(&layout, "gone/x.json"), one("gone", "x"), "what it was while it was there");
    for path in [".github/x.toml", "_drafts/x.md", "teams/logo.png", "LICENSE"] {
        assert!(claimed(&layout, path).is_empty(), "{path}");
    }
    assert_eq!(layout.sheet("teams").unwrap().policy, Policy::Quarantine);
}

#[test]
fn folders_may_come_and_go_where_nothing_is_declared() {
    let layout = |folders: &[&str]| {
        let root = folders.iter().map(|name| entry(name, true)).collect();
        Layout::read(&DefinitionFiles { root, ..Default::default() })
    };
    assert!(layout(&["a"]).reads_alike(&layout(&["a", "b"])));
    assert!(Layout::empty().reads_alike(&layout(&["a"])));
    assert!(!layout(&["a"]).reads_alike(&gitsheets(&[("a", PEOPLE)])));
    assert!(!gitsheets(&[("a", PEOPLE)]).reads_alike(&gitsheets(&[("b", PEOPLE)])));
    let other = PEOPLE.replace("people", "persons");
    assert!(!gitsheets(&[("a", PEOPLE)]).reads_alike(&gitsheets(&[("a", &other)])));
    assert!(gitsheets(&[("a", PEOPLE)]).reads_alike(&gitsheets(&[("a", PEOPLE)])));
}

#[test]
fn a_file_with_a_bad_name_claims_its_place_with_a_fault() {
    let layout = gitsheets(&[("people", PEOPLE)]);
    let fault = |path: &[u8]| layout.claims(path)[0].fault.as_ref().map(|fault| fault.rule);
    assert_eq!(fault(b"people/jane.toml"), None);
    assert_eq!(fault(b"people/a\xff.toml"), Some(Rule::NameNotUtf8));
    assert_eq!(fault(b"people/a:b.toml"), Some(Rule::HostileName));
    assert!(layout.claims(b"elsewhere/a\xff.toml").is_empty(), "nobody claims it");
}

#[test]
fn a_key_has_one_path_to_be_written_to_and_one_for_each_extension_to_be_read_from() {
    let all = "[gitsheet]\npath = \"${{ p/** }}\"\n";
    let declared = Layout::read(&DefinitionFiles {
        gitsheets: vec![file(".gitsheets/people.toml", PEOPLE), file(".gitsheets/all.toml", all)],
        headwater: Some(file(
            "headwater.toml",
            "[sheets.yaml]\nformat = 'yaml'\n[sheets.root]\nroot = 'root'\nformat = 'toml'\n",
        )),
        ..Default::default()
    });
    let root = vec![entry("teams", true), entry("README.md", false)];
    let inferred = Layout::read(&DefinitionFiles { root, ..Default::default() });
    let path = |layout: &Layout, sheet: &str, key: &str| {
        layout.sheet(sheet).unwrap().file_path(key, None).map_err(|error| error.to_string())
    };
    let paths =
        |layout: &Layout, sheet: &str, key: &str| layout.sheet(sheet).unwrap().paths_of(key);
    for (layout, sheet, key, written) in [
        (&declared, "people", "jane", "people/jane.toml"),
        (&declared, "people", "headwater", "people/headwater.toml"),
        (&declared, "all", "a/b", "a/b.toml"),
        (&declared, "root", "a", "root/a.toml"),
        (&declared, "yaml", "a/b", "yaml/a/b.yaml"),
        (&inferred, "teams", "a", "teams/a.toml"),
        (&inferred, "teams", "a/b", "teams/a/b.toml"),
        (&inferred, "root", "README", "README.toml"),
        (&inferred, "root", "a/b", "root/a/b.toml"),
    ] {
        assert_eq!(path(layout, sheet, key).as_deref(), Ok(written));
        assert!(paths(layout, sheet, key).iter().any(|path| path == written), "{written}");
        assert!(claimed(layout, written).contains(&(sheet.into(), key.into())), "{written}");
        let frame = || layout.sheet(sheet).unwrap().frame(key, written);
        assert!(frame().fits(key, written) && Arc::ptr_eq(&frame(), &frame()), "{written}");
    }
    assert_eq!(paths(&declared, "yaml", "x"), ["yaml/x.yaml", "yaml/x.yml"]);
    assert!(paths(&inferred, "root", "x").contains(&"x.md".to_owned()));
    for (sheet, key) in [
        ("people", ".."),
        ("people", ""),
        ("people", "a:b"),
        ("people", "a?"),
        ("all", ".git/x"),
        ("all", "headwater"),
        ("all", ".gitsheets/x"),
    ] {
        let refused = path(&declared, sheet, key).unwrap_err();
        assert!(refused.contains(&format!("{key}.toml")), "{refused}");
    }
}

#[test]
fn a_contract_is_a_part_of_the_schema() {
    let contract = "\"$id\" = \"https://x.org/person\"\nrequired = [\"name\"]\n";
    let read = |contract: &str| {
        let text = format!("{PEOPLE}implements = [\"x.org/person\"]\n");
        Layout::read(&DefinitionFiles {
            gitsheets: vec![file(".gitsheets/people.toml", &text)],
            contracts: vec![file(".gitsheets/contracts/x.org/person.toml", contract)],
            ..Default::default()
        })
    };
    let layout = read(contract);
    assert_eq!(problems(&layout), [] as [&str; 0]);
    let sheet = layout.sheet("people").unwrap();
    let found = sheet.decode("people/jane.toml", b"slug = \"jane\"\n").unwrap_err();
    assert_eq!(found[0].rule, Rule::Schema);
    let id = "\"$id\" = \"https://x.org/person\"\n";
    for (broken, why) in [
        ("\"$id\" = \"https://x.org/other\"\n", "its $id is not its name"),
        ("required = []\n", "its $id is not its name"),
        (&*id.replace(" = ", "="), "its bytes are not canonical"),
        (&*format!("b = 1\n{id}"), "its bytes are not canonical"),
        (&*format!("{id}additionalProperties = false\n"), "it forbids additional properties"),
        (&*format!("{id}\n[not]\nadditionalProperties = false\n"), "it forbids additional"),
        (&*format!("{id}\n[[allOf]]\nadditionalProperties = false\n"), "it forbids additional"),
        ("= 1", "the contract x.org/person is not valid"),
    ] {
        let found = problems(&read(broken));
        assert!(found.len() == 1 && found[0].contains(why), "{broken}: {found:?}");
    }
    for open in ["additionalProperties = true\n", "\n[[allOf]]\ntitle = \"a\"\n"] {
        assert_eq!(problems(&read(&format!("{id}{open}"))), [] as [&str; 0], "{open}");
    }
}

#[test]
fn a_contract_is_named_by_a_host_and_a_path() {
    for name in ["x.org/person", "a-1.b/x/y", "x/a b", "x/.a", "x/\u{e9}"] {
        assert!(contract::is_contract_name(name), "{name}");
    }
    let hosts = ["", "x.org", "/person", "X.org/a", "x_org/a", "x org/a"];
    let segments = ["x/", "x//a", "x/.", "x/..", "x/a/..", "x/a<b", "x/a:b", "x/a?", "x/\u{1f}"];
    for name in hosts.into_iter().chain(segments) {
        assert!(!contract::is_contract_name(name), "{name:?}");
    }
}

#[test]
fn a_record_that_contradicts_its_path_is_told() {
    let layout = gitsheets(&[("people", PEOPLE)]);
    let sheet = layout.sheet("people").unwrap();
    assert!(sheet.decode("people/jane.toml", b"slug = \"jane\"\n").is_ok());
    let found = sheet.decode("people/jane.toml", b"slug = \"joe\"\n").unwrap_err();
    assert_eq!((found[0].rule, found[0].pointer.as_deref()), (Rule::PathMismatch, Some("/slug")));
}

fn declared(text: &str) -> Layout {
    let headwater = Some(file("headwater.toml", text));
    Layout::read(&DefinitionFiles { headwater, ..Default::default() })
}

#[test]
fn a_collection_that_comes_or_goes_changes_nothing_for_others_unless_its_name_is_taken() {
    let layout = |folders: &[&str], collections: &[&str]| {
        Layout::read(&DefinitionFiles {
            root: folders.iter().map(|name| entry(name, true)).collect(),
            collections: collections.iter().map(|path| (*path).into()).collect(),
            ..Default::default()
        })
    };
    let blog = layout(&["content"], &["content/blog", "content/_x"]);
    assert_eq!(blog.skipped(), ["content/_x"]);
    assert_eq!(blog.sheet("content.blog").map(|sheet| &*sheet.root), Some("content/blog"));
    assert!(blog.reads_alike(&layout(&["content"], &["content/docs"])));
    assert!(!blog.reads_alike(&layout(&["content", "content.blog"], &["content/blog"])));
    assert_eq!(claimed(&blog, "content/blog/a/b.md"), one("content.blog", "a/b"));
    assert_eq!(claimed(&blog, "content/gone/a.md"), one("content.gone", "a"));
    let paths = blog.sheet("content.blog").unwrap().paths_of("a");
    assert!(paths.contains(&"content/blog/a.md".to_owned()), "{paths:?}");
    let written = blog.sheet("content.blog").unwrap().file_path("a", Some("md"));
    assert_eq!(written.as_deref(), Ok("content/blog/a.md"));
}

#[test]
fn an_index_file_has_the_key_of_its_folder() {
    let text = "[sheets.posts]\nformat = \"markdown\"\npath = \"${{ lang }}/${{ slug }}/index\"\n";
    let layout = declared(text);
    assert_eq!(problems(&layout), [] as [&str; 0]);
    let spec = layout.sheet("posts").unwrap();
    for name in ["index.md", "_index.md", "README.md", "index.markdown"] {
        let path = format!("posts/fr/a/{name}");
        assert_eq!(claimed(&layout, &path), one("posts", "fr/a"), "{name}");
        assert!(spec.paths_of("fr/a").contains(&path), "{name}");
        let frame = || spec.frame("fr/a", &path);
        assert!(frame().fits("fr/a", &path) && Arc::ptr_eq(&frame(), &frame()), "{name}");
        assert_eq!(spec.attachments_of(&path), Some("posts/fr/a"));
    }
    for path in ["posts/fr/a.md", "posts/fr/a/b.md", "posts/a/index.md", "posts/fr/a/readme.md"] {
        assert!(claimed(&layout, path).is_empty(), "{path}");
    }
    let attachment = |name: &str| layout.attachment_of(spec, "posts/fr/a/index.md", name);
    assert_eq!(attachment("photo.jpg").as_deref(), Some("posts/fr/a/photo.jpg"));
    assert_eq!(attachment("README.md"), None, "it stands for the folder, too");
    let holders = |path: &str| layout.holders(path.as_bytes()).len();
    assert_eq!(holders("posts/fr/a/deep/photo.jpg"), 1);
    assert_eq!(holders("posts/fr/photo.jpg"), 0);
    assert!(layout.reaching_below("posts/fr/a").count() == 1);
    let places = ["posts/x/index.md", "posts/x/_index.md", "posts/x/README.md"];
    assert_eq!(places.map(|path| spec.precedence(path)), [0, 1, 2]);
}

#[test]
fn an_index_file_of_gitsheets_has_its_own_name() {
    let layout = gitsheets(&[("s", "[gitsheet]\nroot = \"s\"\npath = \"${{ slug }}/index\"\n")]);
    assert_eq!(claimed(&layout, "s/a/index.toml"), one("s", "a/index"));
    assert!(claimed(&layout, "s/a/README.toml").is_empty());
    let spec = layout.sheet("s").unwrap();
    assert_eq!(spec.attachments_of("s/a/index.toml"), Some("s/a/index"));
    assert_eq!(spec.precedence("s/a/README.toml"), 0);
}

#[test]
fn a_value_has_the_fields_that_only_its_path_tells() {
    let text = "[sheets.posts]\nformat = \"json\"\npath = \"${{ year }}/${{ lang }}-${{ slug }}\"\n\
                [sheets.posts.schema.properties.year]\ntype = \"integer\"\n";
    let layout = declared(text);
    let spec = layout.sheet("posts").unwrap();
    let fields = |json: &str| {
        let value = spec.decode("posts/2024/fr-a-b.json", json.as_bytes()).unwrap();
        assert_eq!(value.as_str(), json, "it is served as it is");
        value.path_fields().map(|fields| fields.text().to_owned())
    };
    let all = r#"{"lang":"fr","slug":"a-b","year":2024}"#;
    assert_eq!(fields(r#"{"title":1}"#).as_deref(), Some(all));
    assert_eq!(fields(r#"{"slug":"a-b","year":2024}"#).as_deref(), Some(r#"{"lang":"fr"}"#));
    assert_eq!(fields(r#"{"lang":"fr","slug":"a-b","year":2024}"#), None);
    assert_eq!(fields(r#"{"lang":["x"],"slug":"a-b","year":2024}"#), None, "its own counts");
    assert_eq!(fields("[]"), None, "a list has no fields");
    let wrong = spec.decode("posts/2024/fr-a.json", br#"{"lang":"de","slug":"a"}"#).unwrap_err();
    assert_eq!(wrong[0].rule, Rule::PathMismatch);
}
