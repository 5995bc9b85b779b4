//! Writes the corpus civic-N as a bare repository: `cargo run --release -p headwater-testkit
//! --example civic -- 32000 remote.git`.

use headwater_testkit::{Upstream, corpus, git};

fn main() {
    let mut words = std::env::args().skip(1);
    let (people, folder) = (words.next(), words.next());
    let people = people.and_then(|people| people.parse().ok());
    let (Some(people), Some(folder)) = (people, folder) else {
        panic!("usage: civic PEOPLE FOLDER");
    };
    let mut upstream = Upstream::new();
    corpus::civic(people).write_to(&mut upstream);
    let url = upstream.url();
    git(".", ["clone", "--quiet", "--bare", &url, &folder]);
}
