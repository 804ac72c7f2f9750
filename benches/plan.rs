//! What loading a configuration costs as it grows. The goal: 100,000 routes in under 2 s.
//!
//! `cargo bench --bench plan`

use std::fmt::Write;

use divan::{Bencher, black_box};
use ringway::plan;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// Routes as an operator with many tenants has them: host, path, methods, an upstream by name, a timeout.
fn table(routes: usize) -> String {
    let mut text = String::from("[listeners.web]\naddress = \"127.0.0.1:8080\"\n");
    for upstream in 0..1_000 {
        let _ = write!(text, "[upstreams.app-{upstream}]\nendpoints = [\"http://127.0.0.1:9000\"]\n");
    }
    for route in 0..routes {
        let (host, upstream) = (route % 500, route % 1_000);
        let _ = write!(
            text,
            "[routes.route-{route}]\nhosts = [\"h{host}.example.com\"]\npath = \"/api/r{route}/{{id}}/*\"\n\
             methods = [\"GET\", \"POST\"]\nupstream = \"app-{upstream}\"\ntimeouts = {{ request = \"5s\" }}\n"
        );
    }
    text
}

#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 5, sample_size = 1)]
fn load(bencher: Bencher, routes: usize) {
    let text = table(routes);
    bencher.bench(|| plan::load_text("bench.toml", black_box(&text)).map_err(|complaints| complaints.to_string()));
}
