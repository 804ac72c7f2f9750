//! Ties: routes of one place and one rank that a request could satisfy both. They are configuration errors, because
//! any order between them (age, name, place in a file) surprises somebody.
//!
//! The rule (docs/routing.md, "Ties"): two routes with the same host pattern, the same path shape and the same rank
//! tie unless they are proven disjoint: by listeners, by methods, by tests of one field or query parameter that no
//! one value satisfies, or by `path_regex`. What cannot be proven counts as a tie.

use super::predicate::{Part, Patterns, Predicates};

/// Groups up to this size are compared pair by pair at once.
const SMALL: usize = 16;

/// Adds to `ties`, for each member of `group` that ties with an earlier one, that pair. Members are positions in
/// `predicates`, in order. One pair per member: a thousand equal routes are a thousand ties, not half a million.
pub(super) fn find(group: &[u32], predicates: &[Predicates], patterns: &Patterns, ties: &mut Vec<(u32, u32)>) {
    match (group.len() > SMALL).then(|| split(group, predicates)).flatten() {
        Some(parts) => parts.iter().for_each(|part| find(part, predicates, patterns, ties)),
        None => pairs(group, predicates, patterns, ties),
    }
}

fn pairs(group: &[u32], predicates: &[Predicates], patterns: &Patterns, ties: &mut Vec<(u32, u32)>) {
    for (position, member) in group.iter().enumerate() {
        let own = &predicates[*member as usize];
        let earlier = group[..position].iter().find(|other| !own.is_disjoint(&predicates[**other as usize], patterns));
        ties.extend(earlier.map(|other| (*other, *member)));
    }
}

/// Splits a group by the value of a field or parameter that every member wants to be exactly something: members of
/// different parts are disjoint. Without this, a hundred thousand tenants told apart by one field would be compared
/// pair by pair.
fn split(group: &[u32], predicates: &[Predicates]) -> Option<Vec<Vec<u32>>> {
    let first = predicates.get(*group.first()? as usize)?;
    let names = |part| first.exact_names(part).map(move |name| (part, name));
    names(Part::Headers).chain(names(Part::Query)).find_map(|(part, name)| by_value(group, predicates, part, name))
}

fn by_value(group: &[u32], predicates: &[Predicates], part: Part, name: &str) -> Option<Vec<Vec<u32>>> {
    let value = |member: u32| predicates[member as usize].exact(part, name);
    let mut valued: Vec<(&[u8], u32)> =
        group.iter().map(|member| value(*member).map(|value| (value, *member))).collect::<Option<_>>()?;
    valued.sort_unstable();
    let parts = valued.chunk_by(|left, right| left.0 == right.0);
    let parts: Vec<Vec<u32>> = parts.map(|part| part.iter().map(|(_, member)| *member).collect()).collect();
    (parts.len() > 1).then_some(parts)
}
