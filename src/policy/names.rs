//! Which certificate of a listener a name gets: exact before wildcard, and the first for all others.
//!
//! Decides twice: when a client asks for a name (SNI), and when a request names a host on a connection that was made for
//! another name. Not here: where a certificate's names come from (`control`).

use std::collections::HashMap;

/// The names of a listener's certificates.
#[derive(Clone, Debug, Default)]
pub struct CertificateNames {
    /// Whole names in lower case.
    exact: HashMap<Box<str>, usize>,
    /// What follows the `*.` of a wildcard: it stands for exactly one label (RFC 9525 6.3).
    wildcard: HashMap<Box<str>, usize>,
}

impl CertificateNames {
    /// The table of certificates that are for these names: DNS names, `*.example.com` among them, and IP addresses as
    /// text. Where several are for one name, the first is chosen.
    #[must_use]
    pub fn new<'n, N: IntoIterator<Item = &'n str>>(certificates: impl IntoIterator<Item = N>) -> Self {
        let mut table = Self::default();
        for (position, names) in certificates.into_iter().enumerate() {
            for name in names {
                let name = name.to_ascii_lowercase();
                match name.strip_prefix("*.") {
                    Some(rest) => table.wildcard.entry(rest.into()).or_insert(position),
                    None => table.exact.entry(name.into()).or_insert(position),
                };
            }
        }
        table
    }

    /// The position of the certificate for `name`, which is in lower case and has no trailing dot.
    #[must_use]
    pub fn choose(&self, name: &str) -> usize {
        let by_label = || self.wildcard.get(name.split_once('.').filter(|(label, _)| !label.is_empty())?.1);
        self.exact.get(name).or_else(by_label).copied().unwrap_or(0)
    }

    /// True when a request for `host` may come over a connection that was made for `asked`; without a name the first
    /// certificate was shown. Others are misdirected (RFC 9110 15.5.20): the client was promised another server.
    #[must_use]
    pub fn is_served_alike(&self, asked: Option<&str>, host: &str) -> bool {
        asked == Some(host) || asked.map_or(0, |asked| self.choose(asked)) == self.choose(host)
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
            ("default.example", 0),
            ("192.0.2.1", 0),
            ("example.com", 1),
            ("www.example.com", 1),
            ("api.example.com", 2),
            ("v1.api.example.com", 2),
            ("late.example", 3),
            // A wildcard is one label, no more and no less.
            ("a.b.example.com", 0),
            (".example.com", 0),
            ("*.example.com", 1),
            ("com", 0),
            ("", 0),
            ("other.example", 0),
        ] {
            assert_eq!(table.choose(name), expected, "{name}");
        }
        assert_eq!(CertificateNames::default().choose("a.example"), 0);
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
