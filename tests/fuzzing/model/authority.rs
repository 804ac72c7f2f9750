//! `host[:port]` as the gateway takes it (docs: narrower than RFC 3986 3.2).

/// True for a host of letters, digits, `-._~` without empty labels (a last dot is the root's) or an IPv6 address in
/// brackets, with an optional port up to 65535, which may be empty.
pub fn is_authority(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (is_host, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let Some((address, port)) = literal.split_once(']') else { return false };
            (address.parse::<std::net::Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_name(name), port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some("") => true,
        Some(digits) => {
            digits.chars().all(|digit| digit.is_ascii_digit())
                && digits.len() <= 5
                && digits.parse::<u32>().is_ok_and(|number| number <= 65_535)
        }
    };
    is_host && is_port
}

fn is_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_~".contains(letter))
    };
    name.len() <= 255 && labels.split('.').all(is_label)
}
