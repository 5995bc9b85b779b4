//! Several fields, found in one pass over a value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::value::{FieldPath, Json, Kind, Value};

/// A set of fields that are looked for together: a value is scanned once, however many they are.
///
/// A dotted name is every way in which it can be cut into names. Whichever way leads somewhere, what
/// is left of the name depends on nothing but how much of it was used; so there is one node for each
/// beginning of a name, and not for each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The first is where a search begins.
    nodes: Vec<Node>,
}

/// What is looked for behind some beginning of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    /// The places in the set of the fields that end here.
    here: Vec<usize>,
    /// The names of members, in order, and the nodes that they lead to.
    members: Vec<(Box<str>, usize)>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Paths {
    /// Returns the set of these fields, each with its place among them.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p FieldPath>) -> Self {
        let mut nodes = vec![Node::default()];
        let mut known: HashMap<&'p str, usize> = HashMap::new();
        let mut edges: Vec<BTreeMap<&'p str, usize>> = vec![BTreeMap::new()];
        for (place, path) in paths.into_iter().enumerate() {
            let mut begins = vec![(0, 0)];
            for used in path.outermost() {
                let next = nodes.len();
                let to = *known.entry(used).or_insert(next);
                if to == next {
                    nodes.push(Node::default());
                    edges.push(BTreeMap::new());
                }
                for (from, begin) in &begins {
                    edges[*from].insert(&path.as_str()[*begin..used.len()], to);
                }
                begins.push((to, used.len() + 1));
            }
            let (end, _) = begins[begins.len() - 1];
            nodes[end].here.push(place);
        }
        for (node, members) in nodes.iter_mut().zip(edges) {
            node.members = members.into_iter().map(|(name, to)| (name.into(), to)).collect();
        }
        Self { nodes }
    }

    /// Calls `found` with each value of each field and the field's place in the set, as
    /// [`Value::visit`] does for one. Linear in the text, which is read no further than it must.
    pub fn visit<'a>(&self, value: &'a Value, found: &mut dyn FnMut(usize, Json<'a>)) {
        value.parts().for_each(|part| visit(self.start(), part, found));
    }

    /// Returns where a search begins.
    pub(crate) fn start(&self) -> Beginning<'_> {
        Beginning { paths: self, number: 0 }
    }

    /// Returns every beginning of a field, by number.
    pub(crate) fn beginnings(&self) -> impl Iterator<Item = Beginning<'_>> {
        (0..self.nodes.len()).map(|number| Beginning { paths: self, number })
    }
}

fn visit<'a>(at: Beginning<'_>, json: Json<'a>, found: &mut dyn FnMut(usize, Json<'a>)) {
    if json.kind() == Kind::Array {
        return json.elements().for_each(|element| visit(at, element, found));
    }
    at.fields().iter().for_each(|place| found(*place, json));
    at.for_each_member(json, |at, member| visit(at, member, found));
}

/// How much of some fields was found: the names that lead to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning<'p> {
    paths: &'p Paths,
    number: usize,
}

impl<'p> Beginning<'p> {
    /// Returns its number among those of its paths, from 0.
    pub(crate) fn number(self) -> usize {
        self.number
    }

    fn node(self) -> &'p Node {
        &self.paths.nodes[self.number]
    }

    /// Returns the places of the fields that are found here.
    pub(crate) fn fields(self) -> &'p [usize] {
        &self.node().here
    }

    /// Returns the places of the fields that go on from here, in order.
    pub(crate) fn onward(self) -> BTreeSet<usize> {
        let (mut places, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut ahead: Vec<usize> = self.node().members.iter().map(|(_, to)| *to).collect();
        while let Some(number) = ahead.pop() {
            if seen.insert(number) {
                let node = &self.paths.nodes[number];
                places.extend(&node.here);
                ahead.extend(node.members.iter().map(|(_, to)| *to));
            }
        }
        places
    }

    /// Calls `found` with each member of `json` in which a field goes on. The members of a value and
    /// those that are looked for are in the order of their names.
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
    use proptest::prelude::*;
    use serde_json::{Value as Tree, json};

    /// Compares with looking for one field after the other.
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
