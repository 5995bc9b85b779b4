//! The sheet definitions of the corpus: what the civic site declares, plus Headwater's settings.

/// Returns the definition of `sheet`; if `sharded`, people are in folders.
pub(super) fn text(sheet: &str, sharded: bool) -> String {
    let (path, format, settings) = match sheet {
        "people" if sharded => ("${{ shard }}/${{ slug }}", "", PEOPLE),
        "people" => ("${{ slug }}", "", PEOPLE),
        "projects" => ("${{ slug }}", "", PROJECTS),
        "project-memberships" => ("${{ projectSlug }}/${{ personSlug }}", "", MEMBERSHIPS),
        "project-updates" => ("${{ projectSlug }}/${{ number }}", "", UPDATES),
        "tag-assignments" => {
            ("${{ tagId }}/${{ taggableType }}/${{ taggableId }}", "", TAG_ASSIGNMENTS)
        }
        "help-wanted-roles" => ("${{ projectSlug }}/${{ id }}", "", ROLES),
        "project-buzz" => ("${{ projectSlug }}/${{ slug }}", "", BUZZ),
        "blog-posts" => ("${{ slug }}", MARKDOWN, BLOG_POSTS),
        _ => ("${{ namespace }}/${{ slug }}", "", TAGS),
    };
    format!("[gitsheet]\nroot = \"{sheet}\"\npath = \"{path}\"\n{format}\n[headwater]\n{settings}")
}

const MARKDOWN: &str = "\n[gitsheet.format]\ntype = \"markdown\"\nbody = \"body\"\n";

const PEOPLE: &str = r#"search = { fullName = 3.0, bio = 1.0 }
index = ["accountLevel", "createdAt"]
unique = ["id", "legacyId", "githubUserId"]
hidden = "deletedAt"
"#;

const PROJECTS: &str = r#"search = { title = 3.0, summary = 2.0, overview = 1.0 }
index = ["stage", "maintainerId", "featured", "createdAt"]
unique = ["id", "legacyId"]
hidden = "deletedAt"
"#;

const MEMBERSHIPS: &str = r#"search = { role = 1.0 }
index = ["projectId", "personId"]
unique = ["id"]
"#;

const UPDATES: &str = r#"search = { body = 1.0 }
index = ["projectId", "authorId", "createdAt"]
unique = ["id"]
"#;

const TAG_ASSIGNMENTS: &str = r#"search = {}
index = ["tagId", "taggableType", "taggableId"]
unique = ["id"]
"#;

const ROLES: &str = r#"search = { title = 3.0, description = 1.0 }
index = ["projectId", "status"]
unique = ["id"]
"#;

const BUZZ: &str = r#"search = { headline = 3.0, summary = 1.0 }
index = ["projectId", "publishedAt"]
unique = ["id", "url"]
"#;

const BLOG_POSTS: &str = r#"search = { title = 3.0, summary = 2.0, body = 1.0 }
index = ["authorId", "postedAt"]
unique = ["id"]
hidden = "deletedAt"
"#;

const TAGS: &str = r#"search = { title = 2.0, slug = 1.0 }
index = ["namespace"]
unique = ["id"]
"#;

#[cfg(test)]
mod tests {
    #[test]
    fn every_definition_is_toml_with_a_root_and_a_path() {
        for (sheet, _) in crate::corpus::civic(1).counts() {
            for sharded in [false, true] {
                let table: toml_v08::Table = super::text(sheet, sharded).parse().unwrap();
                assert_eq!(table["gitsheet"]["root"].as_str(), Some(sheet));
                assert!(table["gitsheet"]["path"].is_str() && table["headwater"].is_table());
            }
        }
    }
}
