//! Several fields, found in one pass over a value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::value::{FieldPath, Json, Kind, Value};

/// A set of fields that are searched for together. A value is scanned once, however many fields
/// there are.
///
/// A dotted name stands for every way of splitting it into names. The rest of a name depends only
/// on how much of it was used, not on how that part was split. So there is one node for each prefix
/// of a name, rather than one for each way of splitting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The first node is where a search begins.
    nodes: Vec<Node>,
}

/// What is searched for after some prefix of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    /// The indices in the set of the fields that end here.
    here: Vec<usize>,
    /// The names of members, in order, and the nodes that they lead to.
    members: Vec<(Box<str>, usize)>,
    /// The positions of list elements, and the nodes that they lead to.
    positions: Vec<(i64, usize)>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Paths {
    /// Returns the set of these fields, each with its index among them.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p FieldPath>) -> Self {
        Self::behind(0, paths)
    }

    /// Returns the set of these fields relative to the values of `outer`, each with its index. Each
    /// must be `outer` or inside it.
    pub(crate) fn within<'p>(
        outer: &FieldPath,
        paths: impl IntoIterator<Item = &'p FieldPath>,
    ) -> Self {
        Self::behind(outer.segments().count(), paths)
    }

    /// Returns the set of these fields without the first `skipped` names of each.
    fn behind<'p>(skipped: usize, paths: impl IntoIterator<Item = &'p FieldPath>) -> Self {
        let mut nodes = vec![Node::default()];
        let mut known: HashMap<&'p str, usize> = HashMap::new();
        let mut edges: Vec<BTreeMap<&'p str, usize>> = vec![BTreeMap::new()];
        for (place, path) in paths.into_iter().enumerate() {
            let mut end = 0;
            // Where names may begin: the nodes, and the number of bytes of the name that lead
            // there.
            let mut begins = vec![(0, 0)];
            for (segment, used) in path.outermost().enumerate() {
                let behind = used.len() + 1;
                if segment < skipped {
                    begins = vec![(0, behind)];
                    continue;
                }
                let next = nodes.len();
                let to = *known.entry(used).or_insert(next);
                if to == next {
                    nodes.push(Node::default());
                    edges.push(BTreeMap::new());
                }
                if path.positions.contains(&segment) {
                    let position = begins.pop().and_then(|(from, begin)| {
                        let position: i64 = path.as_str()[begin..used.len()].parse().ok()?;
                        Some((from, position))
                    });
                    if let Some((from, position)) = position
                        && !nodes[from].positions.contains(&(position, to))
                    {
                        nodes[from].positions.push((position, to));
                    }
                    // A name cannot extend across a position.
                    begins = vec![(to, behind)];
                } else {
                    for (from, begin) in &begins {
                        edges[*from].insert(&path.as_str()[*begin..used.len()], to);
                    }
                    begins.push((to, behind));
                }
                end = to;
            }
            nodes[end].here.push(place);
        }
        for (node, members) in nodes.iter_mut().zip(edges) {
            node.members = members.into_iter().map(|(name, to)| (name.into(), to)).collect();
        }
        Self { nodes }
    }

    /// Calls `found` with each value of each field and the index of the field, as [`Value::visit`]
    /// does for one field. Linear in the text, which is read only as far as necessary.
    pub fn visit<'a>(&self, value: &'a Value, found: &mut dyn FnMut(usize, Json<'a>)) {
        value.parts().for_each(|part| visit(self.start(), part, found));
    }

    /// Calls `found` with each value within `json`, as [`Paths::visit`] does.
    pub(crate) fn visit_json<'a>(&self, json: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
        visit(self.start(), json, found);
    }

    /// Calls `found` with each value of each field within `json` and the index of the field: no null,
    /// a list as a whole, and what is inside the elements of a list where a field continues there.
    /// Linear in the text.
    pub(crate) fn visit_whole<'a>(&self, json: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
        inside(self.start(), json, found);
    }

    /// Returns the position where a search begins.
    pub(crate) fn start(&self) -> Beginning<'_> {
        Beginning { paths: self, number: 0 }
    }

    /// Returns every prefix of a field, by number.
    pub(crate) fn beginnings(&self) -> impl Iterator<Item = Beginning<'_>> {
        (0..self.nodes.len()).map(|number| Beginning { paths: self, number })
    }
}

fn visit<'a>(at: Beginning<'_>, json: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
    if json.kind() == Kind::Array {
        at.for_each_position(json, |at, element| visit(at, element, found));
        return open(at, json, found);
    }
    at.fields().iter().for_each(|place| found(*place, json));
    at.for_each_member(json, |at, member| visit(at, member, found));
}

/// Visits the elements of a list, and of the lists in it.
fn open<'a>(at: Beginning<'_>, list: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
    for element in list.elements() {
        if element.kind() == Kind::Array {
            open(at, element, found);
        } else {
            visit(at, element, found);
        }
    }
}

/// Visits what is inside a value, each as a whole.
fn inside<'a>(at: Beginning<'_>, json: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
    if json.kind() == Kind::Array {
        return json.elements().for_each(|element| inside(at, element, found));
    }
    at.for_each_member(json, |at, member| {
        if member.kind() != Kind::Null {
            at.fields().iter().for_each(|place| found(*place, member));
        }
        inside(at, member, found);
    });
}

/// A prefix of some fields: the names that lead to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning<'p> {
    paths: &'p Paths,
    number: usize,
}

impl<'p> Beginning<'p> {
    /// Returns its number among the prefixes of its paths, from 0.
    pub(crate) fn number(self) -> usize {
        self.number
    }

    fn node(self) -> &'p Node {
        &self.paths.nodes[self.number]
    }

    /// Returns the indices of the fields that end here.
    pub(crate) fn fields(self) -> &'p [usize] {
        &self.node().here
    }

    /// Returns the indices of the fields that continue from here with a member, in order.
    pub(crate) fn onward(self) -> BTreeSet<usize> {
        let (mut places, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut ahead: Vec<usize> = self.node().members.iter().map(|(_, to)| *to).collect();
        while let Some(number) = ahead.pop() {
            if seen.insert(number) {
                let node = &self.paths.nodes[number];
                places.extend(&node.here);
                ahead.extend(node.members.iter().map(|(_, to)| *to));
                ahead.extend(node.positions.iter().map(|(_, to)| *to));
            }
        }
        places
    }

    /// Calls `found` with each element of a list whose position continues a field.
    pub(crate) fn for_each_position<'a>(
        self,
        list: Json<'a>,
        mut found: impl FnMut(Self, Json<'a>),
    ) {
        for (position, to) in &self.node().positions {
            if let Some(element) = list.element(*position) {
                found(Self { number: *to, ..self }, element);
            }
        }
    }

    /// Calls `found` with each member of `json` that continues a field. The members of a value and
    /// the wanted names are both sorted.
    pub(crate) fn for_each_member<'a>(self, json: Json<'a>, mut found: impl FnMut(Self, Json<'a>)) {
        let mut wanted = self.node().members.iter().peekable();
        if wanted.peek().is_none() {
            return;
        }
        for (name, member) in json.members() {
            while wanted.next_if(|(other, _)| **other < *name).is_some() {}
            let Some((other, to)) = wanted.peek() else { return };
            if **other == *name {
                found(Self { number: *to, ..self }, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Cut;
    use proptest::prelude::*;
    use serde_json::{Value as Tree, json};

    /// Searches for the values of one field, each as a whole.
    fn find_whole<'a>(json: Json<'a>, cut: Cut<'_>, found: &mut Vec<Json<'a>>) {
        match (cut, json.kind()) {
            (Cut::End, Kind::Null) => {}
            (Cut::End, _) => found.push(json),
            (cut, Kind::Array) => json.elements().for_each(|json| find_whole(json, cut, found)),
            (Cut::Rest(path), _) => {
                json.cuts(path).for_each(|(_, member, cut)| find_whole(member, cut, found));
            }
        }
    }

    /// Checks against searching for one field after another.
    fn assert_finds(tree: &Tree, names: &[&str]) {
        let value = Value::new(tree);
        let paths: Vec<_> = names.iter().map(|name| FieldPath::new(*name)).collect();
        let mut found = vec![Vec::new(); paths.len()];
        Paths::new(&paths).visit(&value, &mut |place, json| found[place].push(json.text()));
        for (path, found) in paths.iter().zip(found) {
            let mut expected = Vec::new();
            value.visit(path, &mut |json| expected.push(json.text()));
            assert_eq!(found, expected, "{path} of {tree}");
        }
        let mut whole = vec![Vec::new(); paths.len()];
        let paths_of = Paths::new(&paths);
        paths_of.visit_whole(value.json(), &mut |place, json| whole[place].push(json));
        for (path, found) in paths.iter().zip(whole) {
            let mut expected = Vec::new();
            find_whole(value.json(), Cut::Rest(path.as_str()), &mut expected);
            assert_eq!(found, expected, "{path} of {tree}");
        }
    }

    #[test]
    fn a_position_is_that_of_one_element_whatever_its_list_holds() {
        let value = Value::new(&json!({
            "r": [{"x": 1, "0": 9}, {"x": [2, 3]}, [{"x": 4}, {"x": 5}]], "n": {"r": [7]}, "r.1": {"x": 8},
        }));
        let field = |name: &str| {
            let number = |text: &&str| text.parse::<i64>().is_ok();
            let places = name.split('.').enumerate().filter(|(_, text)| number(text));
            FieldPath::with_positions(name, places.map(|(place, _)| place).collect())
        };
        let found = |name: &str| {
            let mut found = Vec::new();
            Paths::new([&field(name)]).visit(&value, &mut |_, json| found.push(json.text()));
            found.join(" ")
        };
        for (name, expected) in [
            ("r.0.x", "1"),
            ("r.-2.x", "2 3"),
            ("r.1.x.1", "3"),
            ("r.2.x", "4 5"),
            ("r.-1.-1.x", "5"),
            ("r.3.x", ""),
            ("r.-4.x", ""),
            ("n.r.0", "7"),
            ("n.r.0.0", ""),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
        let (outer, within) = (FieldPath::new("r"), [field("r.x.1"), FieldPath::new("r")]);
        let mut found = Vec::new();
        let element = value.json().member("r").and_then(|list| list.element(1)).unwrap();
        Paths::within(&outer, &within).visit_json(element, &mut |place, json| {
            found.push((place, json.text()));
        });
        assert_eq!(found, [(1, r#"{"x":[2,3]}"#), (0, "3")]);
        assert!(!field("r.0.x").is_within(&outer) && field("r.x.0").is_within(&outer));
    }

    #[test]
    fn fields_within_each_other_and_the_same_field_twice_are_all_found() {
        let tree = json!({
            "": 0, "a": {"b": [1, {"c": 2}, {"c": [3, [4]]}], "é": "x"}, "a b": true,
            "q\"": {"r": null}, "z": [],
        });
        assert_finds(&tree, &["a.b.c", "a", "a.b", "a.b.c", "q\".r", "z", "nothing", "", "a.é"]);
        assert_finds(&tree, &[]);
        assert_finds(&json!([{"a": 1}, 2, [{"a": {"a": 3}}]]), &["a.a", "a"]);
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Tree::Null),
            (0..9_i32).prop_map(Tree::from),
            "[a\"]{0,2}".prop_map(Tree::from)
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::from),
                prop::collection::vec(("[ab.\"]{0,3}", inner), 0..5)
                    .prop_map(|members| Tree::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn together_they_are_found_as_one_by_one(
            tree in any_tree(),
            names in prop::collection::vec("[abc\"]{0,2}(\\.[abc\"]{0,2}){0,2}", 0..6),
        ) {
            assert_finds(&tree, &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
