//! What the canonical form of a path costs: `cargo bench --bench path`. Most paths are canonical as they come.

use divan::{Bencher, black_box};
use ringway::proto::path::{canonicalise, is_canonical};

/// Canonical as they come, and then each kind of work: decoding, dot segments, encoding.
const PATHS: [&str; 6] =
    ["/", "/api/v1/orders/4711/items", "/caf%C3%A9/x", "/%7Euser/%61bc", "/a/b/../../c/./d", "/a{b}|c"];

fn main() {
    divan::main();
}

#[divan::bench(args = PATHS)]
fn canonical(bencher: Bencher<'_, '_>, path: &str) {
    let mut out = Vec::with_capacity(256);
    bencher.bench_local(|| {
        out.clear();
        canonicalise(black_box(path.as_bytes()), &mut out)
    });
}

#[divan::bench(args = PATHS)]
fn check(bencher: Bencher<'_, '_>, path: &str) {
    bencher.bench_local(|| is_canonical(black_box(path.as_bytes())));
}
