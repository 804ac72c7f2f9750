//! Which certificates of a listener are for a name: exact before wildcard, and the first for all others.
//!
//! Decides twice: when a client asks for a name (SNI), and when a request names a host on a connection that was made for
//! another name. Not here: where a certificate's names come from (`control`).

use std::collections::HashMap;

/// The names of a listener's certificates.
#[derive(Clone, Debug, Default)]
pub struct CertificateNames {
    /// Whole names in lower case.
    exact: HashMap<Box<str>, Vec<usize>>,
    /// What follows the `*.` of a wildcard: it stands for exactly one label (RFC 9525 6.3).
    wildcard: HashMap<Box<str>, Vec<usize>>,
    /// Those for all other names: the first, and whichever are for its first name too.
    others: Vec<usize>,
}

impl CertificateNames {
    /// The table of certificates that are for these names: DNS names, `*.example.com` among them, and IP addresses as
    /// text.
    #[must_use]
    pub fn new<'n, N: IntoIterator<Item = &'n str>>(certificates: impl IntoIterator<Item = N>) -> Self {
        let mut table = Self { others: vec![0], ..Self::default() };
        let mut first = None;
        for (position, names) in certificates.into_iter().enumerate() {
            for name in names {
                let name = name.to_ascii_lowercase();
                let found = match name.strip_prefix("*.") {
                    Some(rest) => table.wildcard.entry(rest.into()).or_default(),
                    None => table.exact.entry(name.as_str().into()).or_default(),
                };
                found.push(position);
                first = first.or((position == 0).then_some(name));
            }
        }
        // A wildcard's own name is one of those that it stands for.
        table.others = table.candidates(first.as_deref()).to_vec();
        table
    }

    /// The positions of the certificates for `name`, which is in lower case and has no trailing dot; at least one. Several
    /// differ in their keys' kinds, and the client's signature algorithms say which it can read.
    #[must_use]
    pub fn candidates(&self, name: Option<&str>) -> &[usize] {
        let by_label = |name: &str| self.wildcard.get(name.split_once('.').filter(|(label, _)| !label.is_empty())?.1);
        let found = name.and_then(|name| self.exact.get(name).or_else(|| by_label(name)));
        found.unwrap_or(&self.others)
    }

    /// True when a request for `host` may come over a connection that was made for `asked`; without a name the first
    /// certificate was shown. Others are misdirected (RFC 9110 15.5.20): the client was promised another server.
    #[must_use]
    pub fn is_served_alike(&self, asked: Option<&str>, host: &str) -> bool {
        asked == Some(host) || self.candidates(asked).first() == self.candidates(Some(host)).first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> CertificateNames {
        CertificateNames::new([
            vec!["default.example", "192.0.2.1"],
            vec!["*.example.com", "example.com"],
            vec!["API.example.com", "*.api.example.com"],
            vec!["api.example.com", "*.example.com", "late.example"],
        ])
    }

    #[test]
    fn exact_names_come_before_wildcards_and_the_first_certificate_is_for_the_rest() {
        let table = table();
        for (name, expected) in [
            ("default.example", &[0][..]),
            ("192.0.2.1", &[0]),
            ("example.com", &[1]),
            ("www.example.com", &[1, 3]),
            ("api.example.com", &[2, 3]),
            ("v1.api.example.com", &[2]),
            ("late.example", &[3]),
            // A wildcard is one label, no more and no less.
            ("a.b.example.com", &[0]),
            (".example.com", &[0]),
            ("*.example.com", &[1, 3]),
            ("com", &[0]),
            ("", &[0]),
            ("other.example", &[0]),
        ] {
            assert_eq!(table.candidates(Some(name)), expected, "{name}");
        }
        assert_eq!(table.candidates(None), [0]);
        assert_eq!(CertificateNames::new([[""; 0]]).candidates(Some("a.example")), [0]);
    }

    #[test]
    fn what_shares_the_first_ones_name_is_for_the_rest_too() {
        for name in ["a.example", "*.a.example"] {
            let table = CertificateNames::new([vec![name], vec!["b.example"], vec!["c.example", name]]);
            assert_eq!(table.candidates(None), [0, 2]);
            assert_eq!(table.candidates(Some("b.example")), [1]);
            assert!(table.is_served_alike(Some("other.example"), "one.other.example"));
        }
    }

    #[test]
    fn a_host_of_another_certificate_is_misdirected() {
        let table = table();
        for (asked, host, expected) in [
            (Some("www.example.com"), "www.example.com", true),
            (Some("www.example.com"), "shop.example.com", true),
            (Some("www.example.com"), "api.example.com", false),
            (Some("www.example.com"), "other.example", false),
            (Some("unknown.example"), "other.example", true),
            (None, "default.example", true),
            (None, "127.0.0.1", true),
            (None, "www.example.com", false),
        ] {
            assert_eq!(table.is_served_alike(asked, host), expected, "{asked:?} {host}");
        }
    }
}
