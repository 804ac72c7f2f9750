//! What reading a head costs: `cargo bench --bench head`. Numbers here are for comparing versions of the parser on
//! one machine, not for claims.

#![expect(unreachable_pub, reason = "nobody imports a benchmark")]

mod samples;

use divan::{Bencher, black_box};
use ringway::proto::h1::parse::{answer, request};
use ringway::proto::head::{AnswerHead, RequestHead};
use samples::{ANSWER, BROWSER, LIMITS, SHORT};

fn main() {
    divan::main();
}

#[divan::bench(args = [("short", SHORT), ("browser", BROWSER)].map(Named::from))]
fn a_request(bencher: Bencher<'_, '_>, wire: &Named) {
    let mut head = RequestHead::default();
    bencher.bench_local(|| request(black_box(wire.bytes), 0, &LIMITS, &mut head));
}

#[divan::bench]
fn an_answer(bencher: Bencher<'_, '_>) {
    let mut head = AnswerHead::default();
    bencher.bench_local(|| answer(black_box(ANSWER), 0, &LIMITS, false, &mut head));
}

/// The floor: what httparse alone costs.
#[divan::bench(args = [("short", SHORT), ("browser", BROWSER)].map(Named::from))]
fn httparse_alone(bencher: Bencher<'_, '_>, wire: &Named) {
    bencher.bench_local(|| {
        let mut headers = [const { std::mem::MaybeUninit::uninit() }; 128];
        let mut parsed = httparse::Request::new(&mut []);
        parsed.parse_with_uninit_headers(black_box(wire.bytes), &mut headers).map(|status| status.is_complete())
    });
}

/// A case with a name that the table of results can show.
#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    bytes: &'static [u8],
}

impl From<(&'static str, &'static [u8])> for Named {
    fn from((name, bytes): (&'static str, &'static [u8])) -> Self {
        Self { name, bytes }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}
