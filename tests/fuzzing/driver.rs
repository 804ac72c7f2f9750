//! Runs one target: input after input from a seed, counts what is accepted, and on a failure says how to see it again.
//!
//! Each input follows from the seed and its own number alone, so any of them can be made again without the ones before
//! it. Nothing is learnt on the way: inputs come from good seeds by few edits, which is enough to get past every door.

use std::any::Any;
use std::env;
use std::panic::{self, AssertUnwindSafe};

use super::mutate::derive;
use crate::tables::Random;

/// What one input came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The code under test took it, and everything that must hold of the result holds.
    Accepted,
    /// It was refused, and had to be.
    Refused,
}

/// A verdict, or what does not hold.
pub type Outcome = Result<Verdict, String>;

/// Tries one input; what it draws from the generator are cuts and options.
pub trait Check: FnMut(&[u8], &mut Random) -> Outcome {}

impl<F: FnMut(&[u8], &mut Random) -> Outcome> Check for F {}

/// What is fuzzed, and from what.
pub struct Target {
    /// In one word; `scripts/fuzz --target` takes it.
    pub name: &'static str,
    /// Inputs to try when `FUZZ_ITERS` does not say: a slice for every run of the tests, below three seconds.
    pub slice: u64,
    /// Good inputs, and bad ones that are nearly good.
    pub seeds: Vec<Vec<u8>>,
    /// What edits like to put in.
    pub words: &'static [&'static [u8]],
}

/// Fewer than one accepted input in so many means that the target does not reach what it is meant for.
const ACCEPTED_ONE_IN: u64 = 20;
/// Runs shorter than this say nothing about that share.
const TELLING: u64 = 1_000;
/// Attempts to make a failing input smaller.
const SHRINKING_MAX: usize = 20_000;
/// Generators that a smaller input is tried with: it may need other cuts to fail.
const CUTS_TRIED: u64 = 8;

impl Target {
    /// Tries as many inputs as `FUZZ_ITERS` says, from `FUZZ_SEED` (1 by default), and prints one line of counts.
    ///
    /// # Panics
    /// When `check` panics or says what does not hold, with the seed, the number and the smallest input that fails;
    /// and when hardly any input is accepted.
    pub fn run(&self, check: impl Check) {
        self.run_from(setting("FUZZ_SEED").unwrap_or(1), setting("FUZZ_ITERS").unwrap_or(self.slice), check);
    }

    fn run_from(&self, seed: u64, count: u64, mut check: impl Check) {
        let mut accepted = 0;
        let mut input = Vec::new();
        for number in 0..count {
            let start = mixed(seed, number);
            derive(&self.seeds, self.words, &mut Random::new(start), &mut input);
            match attempt(&mut check, &input, start) {
                Ok(verdict) => accepted += u64::from(verdict == Verdict::Accepted),
                Err(what) => self.fail(&mut check, &input, start, &format!("seed {seed}, number {number}: {what}")),
            }
        }
        let share = 100.0 * accepted as f64 / count.max(1) as f64;
        let refused = count - accepted;
        println!("fuzz {}: {count} executions, {accepted} accepted ({share:.1} %), {refused} refused", self.name);
        assert!(count < TELLING || accepted >= count / ACCEPTED_ONE_IN, "{}: badly aimed", self.name);
    }

    fn fail(&self, check: &mut impl Check, input: &[u8], start: u64, what: &str) -> ! {
        let smallest = shrunk(check, input, start);
        panic!(
            "{}: {what}\n  input:    b\"{}\"\n  smallest: b\"{}\"",
            self.name,
            input.escape_ascii(),
            smallest.escape_ascii()
        );
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Neighbours in `number` begin far apart.
const fn mixed(seed: u64, number: u64) -> u64 {
    let word = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ number.wrapping_mul(0xA076_1D64_78BD_642F);
    word ^ word >> 32
}

fn attempt(check: &mut impl Check, input: &[u8], start: u64) -> Outcome {
    let mut random = Random::new(!start);
    panic::catch_unwind(AssertUnwindSafe(|| check(input, &mut random)))
        .unwrap_or_else(|panicked| Err(format!("panicked: {}", message(&*panicked))))
}

fn message(panicked: &(dyn Any + Send)) -> &str {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// Removes what can be removed so that `check` still fails: big pieces first, then single bytes; then makes bytes plain.
fn shrunk(check: &mut impl Check, input: &[u8], start: u64) -> Vec<u8> {
    // A panic that is looked for needs no report each time it is found.
    let report = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut attempts = 0;
    let mut fails = |candidate: &[u8]| {
        attempts += 1;
        attempts < SHRINKING_MAX && (0..CUTS_TRIED).any(|more| attempt(check, candidate, start ^ more).is_err())
    };
    let mut smallest = input.to_vec();
    let mut size = smallest.len().div_ceil(2);
    while size > 0 {
        let before = smallest.len();
        remove_pieces(&mut smallest, size, &mut fails);
        size = if size == 1 && smallest.len() < before { 1 } else { size / 2 };
    }
    for at in 0..smallest.len() {
        let was = std::mem::replace(&mut smallest[at], b'a');
        if !fails(&smallest) {
            smallest[at] = was;
        }
    }
    panic::set_hook(report);
    smallest
}

fn remove_pieces(smallest: &mut Vec<u8>, size: usize, fails: &mut impl FnMut(&[u8]) -> bool) {
    let mut at = 0;
    while at < smallest.len() {
        let mut candidate = smallest.clone();
        candidate.drain(at..(at + size).min(smallest.len()));
        if fails(&candidate) {
            *smallest = candidate;
        } else {
            at += size;
        }
    }
}

#[test]
fn a_failure_names_its_seed_and_the_smallest_input() {
    let seeds = vec![b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()];
    let target = Target { name: "planted", slice: 10_000, seeds, words: &[b"needle"] };
    let contains = |input: &[u8]| input.windows(6).any(|window| window == b"needle");
    let planted = |input: &[u8], _: &mut Random| {
        assert!(!contains(input), "found");
        Ok(Verdict::Accepted)
    };
    let panicked = panic::catch_unwind(|| target.run_from(7, target.slice, planted))
        .expect_err("ten thousand inputs contain a needle");
    let text = message(&*panicked).to_owned();
    assert!(text.starts_with("planted: seed 7, number "), "{text}");
    assert!(text.contains("panicked: found\n  input:    b\""), "{text}");
    assert!(text.ends_with("smallest: b\"needle\""), "{text}");
}

#[test]
fn a_target_that_accepts_nothing_is_badly_aimed() {
    let target = Target { name: "blind", slice: TELLING, seeds: vec![b"a".to_vec()], words: &[b"b"] };
    let refuse = |_: &[u8], _: &mut Random| Ok(Verdict::Refused);
    let panicked = panic::catch_unwind(|| target.run_from(1, TELLING, refuse));
    assert_eq!(message(&*panicked.expect_err("nothing was accepted")), "blind: badly aimed");
}
