//! Runs operations that must not grow dearer, for a tool that counts their instructions: `scripts/instructions`.
//!
//! The tool collects in [`measured`] only, and writes down what it collected whenever [`settle`] is called. Without
//! the tool nothing is counted, and each operation just runs.

#![expect(unreachable_pub, reason = "nobody imports a benchmark")]

mod memory;
mod operations;
mod play;
#[path = "../samples/mod.rs"]
mod samples;

use std::hint::black_box;

use operations::OPERATIONS;

/// The allocator of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds before counting begins: pools, vectors and branch tables find their size.
const WARM_UP: usize = 20;
/// Rounds that are counted.
const ROUNDS: usize = 100;

/// Something to measure: a round of it calls [`measured`] for what counts.
pub struct Operation {
    name: &'static str,
    /// Sets the stage, and gives what a round does.
    set: fn() -> Box<dyn FnMut()>,
}

/// Runs all operations, or those named, and prints for each its name and its rounds.
fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    for operation in OPERATIONS.iter().filter(|operation| is_wanted(operation.name)) {
        let mut round = (operation.set)();
        (0..WARM_UP).for_each(|_| round());
        settle();
        (0..ROUNDS).for_each(|_| round());
        settle();
        println!("{} {ROUNDS}", operation.name);
    }
}

/// What is run in here is collected.
#[inline(never)]
pub fn measured(act: &mut dyn FnMut()) {
    black_box(act)();
}

/// What was collected until here belongs together.
#[inline(never)]
fn settle() {
    black_box(());
}
