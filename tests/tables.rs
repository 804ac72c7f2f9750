//! Random route tables and requests, made from a seed and from few names, so that routes overlap often.

use ringway::plan::explain::Question;
use ringway::plan::router::Router;
use ringway::plan::{Match, On, ValueMatch};
use ringway::words::ids::{ListenerId, RouteId};

/// A small generator (xorshift64*): the same seed, the same run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

const HOSTS: &[&str] = &[
    "a.example",
    "b.a.example",
    "c.b.a.example",
    "example",
    "x.test",
    "*.example",
    "*.a.example",
    "*.test",
    "*.b.a.example",
];
const SEGMENTS: &[&str] = &["a", "b", "c", "", "%2F", "a.b"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "BREW", "QUERY"];
const NAMES: &[&str] = &["x-a", "x-b", "x c"];
const VALUES: &[&str] = &["1", "2", "one two", "", "é"];
const PATH_EXPRESSIONS: &[&str] = &["/a.*", ".*b", "(?:/[^/]+){2}", r".*\.b", "/|/a|/a/"];
const VALUE_EXPRESSIONS: &[&str] = &["[0-9]", "[a-z ]+", ".*", "1|2"];

/// One route.
pub fn route(random: &mut Random, id: usize) -> Match {
    let hosts = random.below(3).saturating_sub(random.below(2));
    Match {
        route: RouteId::new(id),
        on: if random.once_in(4) { On::Some(vec![ListenerId::new(random.below(2))]) } else { On::All },
        hosts: (0..hosts).map(|_| random.pick(HOSTS).to_owned()).collect(),
        path: pattern(random),
        path_regex: random.once_in(6).then(|| random.pick(PATH_EXPRESSIONS).to_owned()),
        methods: (0..random.below(3)).map(|_| random.pick(METHODS).to_owned()).collect(),
        headers: tests(random),
        query: tests(random),
    }
}

fn pattern(random: &mut Random) -> String {
    let mut path = String::new();
    for position in 0..random.below(4) {
        match random.below(3) {
            0 => path.push_str(&format!("/{{p{position}}}")),
            _ => path.push_str(&format!("/{}", random.pick(SEGMENTS))),
        }
    }
    if path.is_empty() || random.once_in(3) {
        path.push_str("/*");
    }
    path
}

fn tests(random: &mut Random) -> Vec<(String, ValueMatch)> {
    let count = [0, 0, 0, 1, 1, 2][random.below(6)];
    (0..count).map(|_| (random.pick(NAMES).to_owned(), value(random))).collect()
}

fn value(random: &mut Random) -> ValueMatch {
    match random.below(4) {
        0 => ValueMatch::Present,
        1 => ValueMatch::Regex(random.pick(VALUE_EXPRESSIONS).to_owned()),
        _ => ValueMatch::Exact(random.pick(VALUES).to_owned()),
    }
}

/// A request that has good chances with such routes.
pub fn request(random: &mut Random) -> Question {
    let mut path = String::new();
    for _ in 0..=random.below(4) {
        path.push_str(&format!("/{}", random.pick(SEGMENTS)));
    }
    let fields = (0..random.below(4)).map(|_| (random.pick(NAMES).to_owned(), random.pick(VALUES).to_owned()));
    let fields = fields.collect();
    let pairs: Vec<String> = (0..random.below(4)).map(|_| pair(random)).collect();
    Question {
        listener: ListenerId::new(random.below(2)),
        host: random.pick(HOSTS).replace('*', random.pick(&["a", "b.a", "zz"])),
        path: if random.once_in(50) { "*".to_owned() } else { path },
        query: (!random.once_in(3)).then(|| pairs.join("&")),
        method: random.pick(METHODS).to_owned(),
        fields,
    }
}

/// `name=value`, in one of its spellings.
fn pair(random: &mut Random) -> String {
    let space = random.pick(&["+", "%20"]);
    let (name, value) = (random.pick(NAMES).replace(' ', space), random.pick(VALUES).replace(' ', space));
    format!("{name}={}", value.replace('1', random.pick(&["1", "%31"])).replace('é', "%C3%A9"))
}

/// A table without ties, and its router: routes that tie with an earlier one are left out.
pub fn table(random: &mut Random, size: usize) -> (Vec<Match>, Router) {
    let mut table: Vec<Match> = (0..size).map(|id| route(random, id)).collect();
    loop {
        match Router::compile(&table) {
            Ok(router) => return (table, router),
            Err(ties) => table.retain(|wanted| ties.iter().all(|tie| tie.1 != wanted.route)),
        }
    }
}
