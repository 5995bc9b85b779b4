//! Writes the corpus civic-N as a bare repository: `cargo run --release -p headwater-testkit
//! --example civic -- 32000 remote.git`. With a number of folders as the last argument, it writes
//! the sharded corpus, which consists only of people: `-- 1000000 remote.git 256`.

use headwater_testkit::{Upstream, corpus, git};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse().ok();
    let (civic, folder) = match &words[..] {
        [people, folder] => (number(people).map(corpus::civic), folder),
        [people, folder, folders] => {
            let both = number(people).zip(number(folders));
            let sharded = |(people, folders)| corpus::Civic::sharded(people, folders);
            (both.map(sharded), folder)
        }
        _ => panic!("usage: civic PEOPLE FOLDER [FOLDERS]"),
    };
    let civic = civic.unwrap_or_else(|| panic!("PEOPLE and FOLDERS are numbers"));
    let mut upstream = Upstream::new();
    civic.write_to(&mut upstream);
    let url = upstream.url();
    git(".", ["clone", "--quiet", "--bare", &url, folder]);
}
