//! Which field a name means: one switch over its length, then comparisons of constant length without case.
//!
//! Not here: what any of the fields means for a message (`h1::fields`, `h1::framing`).

use crate::proto::head::Known;

impl Known {
    /// The field that `name` (an RFC 9110 token) means. Field names have no case (RFC 9110 5.1).
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        match name.len() {
            2 if is(name, b"te") => Self::Te,
            3 if is(name, b"via") => Self::Via,
            4 if is(name, b"host") => Self::Host,
            4 if is(name, b"date") => Self::Date,
            6 if is(name, b"accept") => Self::Accept,
            6 if is(name, b"expect") => Self::Expect,
            6 if is(name, b"server") => Self::Server,
            7 => Self::of_seven(name),
            9 if is(name, b"forwarded") => Self::Forwarded,
            9 if is(name, b"x-real-ip") => Self::XRealIp,
            10 => Self::of_ten(name),
            11 if is(name, b"traceparent") => Self::Traceparent,
            12 if is(name, b"content-type") => Self::ContentType,
            12 if is(name, b"max-forwards") => Self::MaxForwards,
            12 if is(name, b"x-request-id") => Self::XRequestId,
            14 if is(name, b"content-length") => Self::ContentLength,
            15 if is(name, b"x-forwarded-for") => Self::XForwardedFor,
            16 if is(name, b"proxy-connection") => Self::ProxyConnection,
            16 if is(name, b"x-forwarded-host") => Self::XForwardedHost,
            17 if is(name, b"transfer-encoding") => Self::TransferEncoding,
            17 if is(name, b"x-forwarded-proto") => Self::XForwardedProto,
            9.. => Self::of_rest(name),
            _ => Self::Other,
        }
    }

    fn of_seven(name: &[u8]) -> Self {
        match name[0] | 0x20 {
            b'r' if is(name, b"referer") => Self::Referer,
            b't' if is(name, b"trailer") => Self::Trailer,
            b'u' if is(name, b"upgrade") => Self::Upgrade,
            _ => Self::Other,
        }
    }

    fn of_ten(name: &[u8]) -> Self {
        match name[0] | 0x20 {
            b'c' if is(name, b"connection") => Self::Connection,
            b'k' if is(name, b"keep-alive") => Self::KeepAlive,
            b'u' if is(name, b"user-agent") => Self::UserAgent,
            b't' if is(name, b"tracestate") => Self::Tracestate,
            _ => Self::Other,
        }
    }

    /// Names that are guarded by their beginning, and underscore spellings of guarded names.
    fn of_rest(name: &[u8]) -> Self {
        match name[0] | 0x20 {
            b'x' | b'c' | b't' if name.contains(&b'_') => Self::of_twin(name),
            b'x' if begins(name, b"x-forwarded-") => Self::XForwardedOther,
            _ => Self::Other,
        }
    }

    /// CGI and its heirs (RFC 3875 4.1.18) hand `X_Forwarded_For` and `X-Forwarded-For` to an application under one
    /// name, so the underscore spelling of a guarded field must not pass as an unknown one.
    fn of_twin(name: &[u8]) -> Self {
        const GUARDED: [&[u8]; 4] = [b"x-real-ip", b"x-request-id", b"content-length", b"transfer-encoding"];
        let same = |lower: &[u8]| name.iter().zip(lower).all(|(byte, lower)| dashed(*byte) == *lower);
        let whole = |lower: &&[u8]| lower.len() == name.len() && same(lower);
        let forwarded = b"x-forwarded-";
        let is_twin = GUARDED.iter().any(whole) || (name.len() > forwarded.len() && same(forwarded));
        if is_twin { Self::Twin } else { Self::Other }
    }

    /// True for fields that end at this hop whoever names them: framing, connection-specific fields (RFC 9110
    /// 7.6.1), and twins. `Trailer` is not among them: it describes a trailer section that is passed on.
    #[must_use]
    pub const fn is_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ContentLength
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Twin
                | Self::Upgrade
        )
    }

    /// True for fields that a `Connection` option cannot remove: they say where a message goes, how often it went
    /// round, or for whom it speaks. A client that nominates `X-Forwarded-For` through a careless trusted proxy
    /// would otherwise pass as that proxy.
    #[must_use]
    pub const fn is_guarded(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::Forwarded
                | Self::MaxForwards
                | Self::Via
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedProto
                | Self::XForwardedOther
                | Self::XRealIp
                | Self::XRequestId
        )
    }
}

/// Compares without case. Setting bit 5 lowers letters and leaves digits and `-` alone; no other token character
/// becomes one of `lower` by it. Words overlap instead of leaving a rest: this runs for every field of every message.
#[inline]
fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return false };
    match N {
        0..4 => name.iter().zip(lower).all(|(name, lower)| name | 0x20 == *lower),
        4..8 => same_u32(name, lower, 0) && same_u32(name, lower, N - 4),
        8..16 => same_u64(name, lower, 0) && same_u64(name, lower, N - 8),
        _ => (0..N / 8).all(|word| same_u64(name, lower, 8 * word)) && same_u64(name, lower, N - 8),
    }
}

#[inline]
fn same_u32(name: &[u8], lower: &[u8], at: usize) -> bool {
    let word = |bytes: &[u8]| bytes[at..].first_chunk().copied().map(u32::from_ne_bytes);
    word(name).map(|word| word | 0x2020_2020) == word(lower)
}

#[inline]
fn same_u64(name: &[u8], lower: &[u8], at: usize) -> bool {
    let word = |bytes: &[u8]| bytes[at..].first_chunk().copied().map(u64::from_ne_bytes);
    word(name).map(|word| word | 0x2020_2020_2020_2020) == word(lower)
}

fn begins<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    name.len() > N && is(&name[..N], lower)
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, Known); 30] = [
        ("accept", Known::Accept),
        ("connection", Known::Connection),
        ("content-length", Known::ContentLength),
        ("content-type", Known::ContentType),
        ("date", Known::Date),
        ("expect", Known::Expect),
        ("forwarded", Known::Forwarded),
        ("host", Known::Host),
        ("keep-alive", Known::KeepAlive),
        ("max-forwards", Known::MaxForwards),
        ("proxy-connection", Known::ProxyConnection),
        ("referer", Known::Referer),
        ("server", Known::Server),
        ("te", Known::Te),
        ("traceparent", Known::Traceparent),
        ("tracestate", Known::Tracestate),
        ("trailer", Known::Trailer),
        ("transfer-encoding", Known::TransferEncoding),
        ("upgrade", Known::Upgrade),
        ("user-agent", Known::UserAgent),
        ("via", Known::Via),
        ("x-forwarded-for", Known::XForwardedFor),
        ("x-forwarded-host", Known::XForwardedHost),
        ("x-forwarded-proto", Known::XForwardedProto),
        ("x-forwarded-port", Known::XForwardedOther),
        ("x-forwarded-server", Known::XForwardedOther),
        ("x-forwarded-prefix", Known::XForwardedOther),
        ("x-forwarded-a", Known::XForwardedOther),
        ("x-real-ip", Known::XRealIp),
        ("x-request-id", Known::XRequestId),
    ];

    #[test]
    fn every_name_is_known_in_any_case() {
        for (name, known) in ALL {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), known, "{name}");
            let title: String = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..] + "-").collect();
            assert_eq!(Known::of(&title.as_bytes()[..name.len()]), known, "{title}");
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another() {
        for (name, known) in ALL.into_iter().filter(|(_, known)| *known != Known::XForwardedOther) {
            for position in 0..name.len() {
                let mut other = name.as_bytes().to_vec();
                other[position] = b'0';
                assert_ne!(Known::of(&other), known, "{}", String::from_utf8_lossy(&other));
            }
            assert_ne!(Known::of(&name.as_bytes()[1..]), known);
            assert_ne!(Known::of(format!("{name}s").as_bytes()), known);
        }
        for other in ["x-forwarded", "x-forwarded-", "xhost", "x", "", "cookie", "content_type"] {
            assert_eq!(Known::of(other.as_bytes()), Known::Other, "{other}");
        }
    }

    #[test]
    fn underscore_spellings_of_guarded_fields_are_twins() {
        for twin in [
            "X_Forwarded_For",
            "x-forwarded_for",
            "X_FORWARDED_PROTO",
            "x_forwarded_anything",
            "X_Real_IP",
            "x_request-id",
            "Content_Length",
            "transfer_encoding",
        ] {
            assert_eq!(Known::of(twin.as_bytes()), Known::Twin, "{twin}");
            assert!(Known::of(twin.as_bytes()).is_hop());
        }
    }

    #[test]
    fn what_is_guarded_does_not_end_at_this_hop_by_itself() {
        for (name, known) in ALL {
            assert!(!(known.is_guarded() && known.is_hop()), "{name}");
        }
    }
}
