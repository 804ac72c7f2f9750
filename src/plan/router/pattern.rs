//! Regular expressions as predicates: whole-match, linear time, one immutable automaton.
//!
//! A dense automaton rather than the `regex` crate's engines: those keep a cache per use, taken from a pool that all
//! cores would share and that allocates when it runs dry. Here a test is one table look-up per byte, and two
//! expressions can be proven disjoint. The price: an expression whose automaton exceeds its size limit is refused.
//! Bytes, not characters: `\w`, `\d` and `\b` are ASCII (a canonical path is nothing else), `.` is any byte but `\n`.

use std::collections::HashSet;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind, util::start};

use crate::words::limits::{REGEX_BYTES, REGEX_PAIRS};

/// A compiled expression.
#[derive(Clone)]
pub struct Pattern {
    automaton: Box<dense::DFA<Vec<u32>>>,
    start: StateID,
}

impl Pattern {
    /// Compiles `text` (the syntax of the `regex` crate, bytes mode).
    ///
    /// # Errors
    /// What is wrong with it, or that its automaton is larger than [`REGEX_BYTES`].
    pub fn new(text: &str) -> Result<Self, String> {
        let automaton = dense::Builder::new()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(REGEX_BYTES)))
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    // All, not leftmost-first: of `a|ab` on `ab` the second arm counts, since only a whole match does.
                    .match_kind(MatchKind::All)
                    .dfa_size_limit(Some(REGEX_BYTES))
                    .determinize_size_limit(Some(REGEX_BYTES)),
            )
            .build(text)
            .map_err(|error| complaint(&error))?;
        let start = automaton
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|error| format!("the expression has no start: {error}"))?;
        Ok(Self { automaton: Box::new(automaton), start })
    }

    /// True when the expression matches the whole of `bytes`.
    pub fn is_match(&self, bytes: impl Iterator<Item = u8>) -> bool {
        let mut state = self.start;
        for byte in bytes {
            state = self.automaton.next_state(state, byte);
            if self.automaton.is_dead_state(state) {
                return false;
            }
        }
        self.accepts(state)
    }

    /// True when no text can match both expressions; false also where proving it would take too long.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let letters = self.letters(other);
        let mut seen = HashSet::from([(self.start, other.start)]);
        let mut open = vec![(self.start, other.start)];
        while let Some((left, right)) = open.pop() {
            if self.accepts(left) && other.accepts(right) {
                return false;
            }
            for letter in &letters {
                let next = (self.automaton.next_state(left, *letter), other.automaton.next_state(right, *letter));
                let is_dead = self.automaton.is_dead_state(next.0) || other.automaton.is_dead_state(next.1);
                if !is_dead && seen.insert(next) {
                    open.push(next);
                }
            }
            if seen.len() > REGEX_PAIRS {
                return false;
            }
        }
        true
    }

    /// True when the text may end in `state`. The automaton reports a match one step late, at the end of input.
    fn accepts(&self, state: StateID) -> bool {
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }

    /// One byte for each class that the two automata together tell apart.
    fn letters(&self, other: &Self) -> Vec<u8> {
        let (ours, theirs) = (self.automaton.byte_classes(), other.automaton.byte_classes());
        let mut classes = HashSet::new();
        (0..=u8::MAX).filter(|byte| classes.insert((ours.get(*byte), theirs.get(*byte)))).collect()
    }
}

/// The last line of the innermost error: the lines above draw the expression, which who asks has anyway.
fn complaint(error: &dense::BuildError) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let is_large = inner.downcast_ref::<thompson::BuildError>().is_some_and(|error| error.size_limit().is_some());
    if error.is_size_limit_exceeded() || is_large {
        return format!("its automaton would be larger than {REGEX_BYTES} bytes");
    }
    inner.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pattern").field("bytes", &self.automaton.memory_usage()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn matches(text: &str, subject: &str) -> bool {
        pattern(text).is_match(subject.bytes())
    }

    #[test]
    fn only_a_whole_match_counts() {
        for (text, subject) in [
            ("a|ab", "ab"),
            ("ab|a", "a"),
            ("/x/[0-9]+", "/x/12"),
            ("", ""),
            ("^a$", "a"),
            (r"\Aa\z", "a"),
            ("a.*", "a\u{ff}"),
        ] {
            assert!(matches(text, subject), "{text} {subject}");
        }
        for (text, subject) in [("a", "ab"), ("b", "ab"), ("/x/[0-9]+", "/x/12a"), ("", "a"), ("a|b", "ab"), ("a", "")]
        {
            assert!(!matches(text, subject), "{text} {subject}");
        }
    }

    #[test]
    fn comments_and_alternatives_cannot_escape_the_whole_match() {
        assert!(matches("(?x) a | b # c", "b"));
        assert!(!matches("(?x) a | b # c", "bc"));
        assert_eq!(Pattern::new("a)(b").unwrap_err(), "unopened group");
    }

    #[test]
    fn an_expression_that_needs_too_much_memory_is_refused() {
        for text in ["(?:a|b)*a(?:a|b){20}", "(?:(?:(?:a{100}){100}){100}){100}"] {
            assert!(Pattern::new(text).unwrap_err().contains("larger than"), "{text}");
        }
    }

    #[test]
    fn disjoint_expressions_are_proven_so_and_others_are_not() {
        for (left, right) in
            [(r".*\.png", r".*\.jpg"), ("a+", "b+"), ("/v1/.*", "/v2/.*"), ("[0-9]+", "[a-z]+"), ("a", "")]
        {
            assert!(pattern(left).is_disjoint(&pattern(right)), "{left} {right}");
        }
        for (left, right) in [(".*", "a"), (r".*\.png", "/x.*"), ("a*", "b*"), ("a|ab", "ab|c")] {
            assert!(!pattern(left).is_disjoint(&pattern(right)), "{left} {right}");
        }
    }
}
