//! What holds for every input of a kind: no parser cares how its bytes come, no prefix of something good is refused,
//! what is written reads as what was meant.
//!
//! Elsewhere: the router against a naive model (`routing`), every wire fixture cut everywhere (`wire`), and damaged
//! inputs against naive models of the rules (`fuzzing`).

/// Every prefix and every split of messages.
mod pieces;
/// What is written, read again.
mod round_trips;
/// Every prefix of the values of a configuration, and of the small grammars inside of fields and targets.
mod values;
