//! The codes of complaints: what each means, in one sentence. docs/configuration.md lists them all; a test compares.

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but it hardly says what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What is known about one code.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code this row speaks of.
    pub code: Code,
    /// As it is printed: `E012`, `W001`. Never given to another meaning.
    pub text: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Speaks of one value and nothing around it, so it stays true in a file whose syntax is broken elsewhere.
    pub is_local: bool,
}

macro_rules! codes {
    ($($code:ident = $text:literal $meaning:literal $($local:ident)?;)*) => {
        /// Every code.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
        }

        /// The table, in the order of [`Code`].
        pub const TABLE: &[Row] = &[
            $(Row { code: Code::$code, text: $text, meaning: $meaning, is_local: codes!(@local $($local)?) },)*
        ];
    };
    (@local local) => { true };
    (@local) => { false };
}

codes! {
    Unreadable = "E001" "A file cannot be read." local;
    Syntax = "E002" "The text is not TOML." local;
    UnknownKey = "E003" "The language has no such key here.";
    NotSupported = "E004" "The key or value is in the language, but not supported yet." local;
    Missing = "E005" "Something required is not there.";
    WrongType = "E006" "The value has the wrong TOML type." local;
    BadName = "E007" "A name is not in kebab-case (lower-case letters, digits and inner hyphens)." local;
    Twice = "E008" "The same name or key is defined twice.";
    OutOfRange = "E009" "A number is out of its range." local;
    BadDuration = "E010" "The value is not a duration." local;
    BadSize = "E011" "The value is not a size or a rate." local;
    UnknownName = "E012" "Nothing has the name that is referred to.";
    BadAddress = "E013" "The value is not a socket address." local;
    BadEndpoint = "E014" "The value is not an endpoint." local;
    Unresolved = "E015" "A host name cannot be resolved to an address.";
    BadNetwork = "E016" "The value is not a network in CIDR notation." local;
    BadHost = "E017" "The value is not a host, or not a host pattern." local;
    BadPath = "E018" "The value is not a path, or not a path pattern." local;
    NotCanonical = "E019" "A path is not in its canonical form, so no request could match it." local;
    BadRegex = "E020" "The value is not a regular expression, or its automaton is too large." local;
    BadMethod = "E021" "The value is not a method." local;
    BadFieldName = "E022" "The value is not a field name." local;
    GuardedField = "E023" "The field belongs to the gateway: framing, connection, or Host." local;
    BadFieldValue = "E024" "The value is not a field value." local;
    BadTemplate = "E025" "A brace in a template is not closed, not opened, or empty." local;
    UnknownVariable = "E026" "Templates have no such variable.";
    UnavailableVariable = "E027" "The variable has no value in this place.";
    NoAction = "E028" "A route does nothing: it needs one action.";
    TwoActions = "E029" "A route does several things: it may have only one action.";
    Conflict = "E030" "Two keys exclude each other, or a key needs another one.";
    Tie = "E031" "No rule tells two routes apart: both would win the same request.";
    SameAddress = "E032" "Two listeners have the same address.";
    NoWeight = "E033" "All weights are zero, so nothing can be chosen.";
    BadChoice = "E034" "The value is not one of the words allowed here." local;
    Empty = "E035" "A list, a text or a table is empty where it must not be." local;
    NoListener = "E036" "There is no listener.";
    BadToken = "E037" "The value is not a token by RFC 9110." local;
    TooMany = "E038" "There is more of something than its bound allows.";
    BadStatus = "E039" "The value is not a status code allowed here." local;
    BadQuery = "E040" "The value is not a query." local;
    Repeated = "E041" "A list names the same thing twice." local;
    BadCpus = "E042" "The value is not a CPU or a range of CPUs." local;
    BadCertificate = "E043" "A certificate, a key, a root or a revocation list cannot be used.";
    Unreachable = "W001" "A route can never be reached.";
    Unused = "W002" "A name is defined and never used.";
    NoRoutes = "W003" "A listener has no routes.";
    ZeroWeight = "W004" "A weight of zero in a split: its upstream gets no request.";
    NoEffect = "W005" "A setting has no effect where it stands.";
    Ambiguous = "W006" "A route's listeners disagree about a setting, so the first that sets it counts.";
    OpenAdmin = "W007" "The admin server can be reached from outside this host, and asks nobody for a token.";
    Expiring = "W008" "A certificate is not valid now, or not for much longer.";
    Unverified = "W009" "Certificates of an upstream are not verified.";
}

impl Code {
    /// This code's row.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// An error or a warning.
    #[must_use]
    pub const fn severity(self) -> Severity {
        if self as u8 >= Self::Unreachable as u8 { Severity::Warning } else { Severity::Error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_in_order_by_severity() {
        let (mut errors, mut warnings) = (0, 0);
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.code as usize, position);
            let expected = match row.code.severity() {
                Severity::Error => {
                    errors += 1;
                    format!("E{errors:03}")
                }
                Severity::Warning => {
                    warnings += 1;
                    format!("W{warnings:03}")
                }
            };
            assert_eq!(row.text, expected);
        }
    }
}
