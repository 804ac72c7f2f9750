//! What a look-up and a compilation cost as tables grow.
//!
//! `cargo bench --bench router`

use divan::{Bencher, black_box};
use ringway::plan::router::{Router, Subject};
use ringway::plan::{Match, On, load_text};
use ringway::words::ids::{ListenerId, RouteId};

fn main() {
    divan::main();
}

/// A GET without fields.
struct Request<'r> {
    host: &'r str,
    path: &'r str,
}

impl Subject for Request<'_> {
    fn listener(&self) -> ListenerId {
        ListenerId::new(0)
    }
    fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }
    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }
    fn query(&self) -> Option<&[u8]> {
        None
    }
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn any_field(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// An API-shaped table: for each resource a collection, an item, a sub-resource and a prefix, on a hundred hosts.
fn table(routes: usize) -> Vec<Match> {
    let path = |number: usize| match number % 4 {
        0 => format!("/api/v1/resource-{number}"),
        1 => format!("/api/v1/resource-{}/{{id}}", number - 1),
        2 => format!("/api/v1/resource-{}/{{id}}/parts", number - 2),
        _ => format!("/static/v1/resource-{}/*", number - 3),
    };
    let wanted = |number: usize| Match {
        route: RouteId::new(number),
        on: On::All,
        hosts: vec![format!("h{}.example.com", number / 4 % 100)],
        path: path(number),
        path_regex: None,
        methods: vec!["GET".to_owned()],
        headers: Vec::new(),
        query: Vec::new(),
    };
    (0..routes).map(wanted).collect()
}

/// Requests for up to 4,096 routes spread over the table, in an order that no prefetcher knows.
fn requests(routes: usize) -> Vec<(String, String)> {
    let table = table(routes);
    let count = routes.min(4_096).next_power_of_two();
    // An odd multiplier permutes the positions.
    let spread = |position: usize| position.wrapping_mul(2_654_435_761) % routes;
    let request =
        |wanted: &Match| (wanted.hosts[0].clone(), wanted.path.replace("{id}", "4711").replace('*', "a/b.css"));
    (0..count).map(|position| request(&table[spread(position)])).collect()
}

#[divan::bench(args = [10, 1_000, 10_000, 100_000], sample_count = 50, sample_size = 8_192)]
fn find(bencher: Bencher<'_, '_>, routes: usize) {
    let router = Router::compile(&table(routes)).expect("the table has no ties");
    let requests = requests(routes);
    let mut next = 0;
    bencher.bench_local(|| {
        next = (next + 1) & (requests.len() - 1);
        let (host, path) = &requests[next];
        router.find(black_box(&Request { host, path }))
    });
}

#[divan::bench(args = [10, 1_000, 10_000, 100_000], sample_count = 50, sample_size = 8_192)]
fn find_nothing(bencher: Bencher<'_, '_>, routes: usize) {
    let router = Router::compile(&table(routes)).expect("the table has no ties");
    let request = Request { host: "h1.example.com", path: "/api/v1/absent/4711/parts" };
    bencher.bench_local(|| router.find(black_box(&request)));
}

#[divan::bench(args = [1_000, 100_000], sample_count = 10)]
fn compile(bencher: Bencher<'_, '_>, routes: usize) {
    let table = table(routes);
    bencher.bench_local(|| Router::compile(black_box(&table)).map(|router| router.size()));
}

/// From configuration text to a plan.
#[divan::bench(args = [1_000, 100_000], sample_count = 5, sample_size = 1)]
fn load(bencher: Bencher<'_, '_>, routes: usize) {
    let mut text = "[listeners.web]\naddress = \"127.0.0.1:8080\"\n".to_owned();
    text.push_str("[upstreams.one]\nendpoints = [\"http://127.0.0.1:9000\"]\n");
    for (number, wanted) in table(routes).into_iter().enumerate() {
        let (host, path) = (&wanted.hosts[0], wanted.path);
        text.push_str(&format!("[routes.r{number}]\nhosts = [\"{host}\"]\npath = \"{path}\"\n"));
        text.push_str("methods = [\"GET\"]\nupstream = \"one\"\n");
    }
    bencher.bench_local(|| load_text("bench.toml", black_box(&text)).map(|loaded| loaded.plan.router.size()));
}
