//! File descriptors: each connection takes one, and the limit that most systems start with is 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::say::Say;

/// Fewer than this is worth a warning: a busy gateway has thousands of connections on both sides.
const ENOUGH: u64 = 16_384;

/// Raises this process's soft limit to its hard one, which needs no privilege.
pub fn raise(say: &Say) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    if let Some(now) = now.filter(|now| *now < ENOUGH) {
        let facts: [(&str, &dyn std::fmt::Display); 2] =
            [("limit", &now), ("raise_it_by", &"LimitNOFILE= or ulimit -Hn")];
        say.warn("few file descriptors", &facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise(&Say::to_nobody());
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
