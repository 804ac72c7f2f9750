//! Headers of the PROXY protocol against the model, whole and as a reader takes them that must not take too much.

use ringway::proto::proxy::{Malformed, Progress, Told, v1, v2};

use super::driver::{Outcome, Target, Verdict};
use super::model::proxy::{self, Header};

/// What edits put into headers.
const WORDS: &[&[u8]] = &[
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"0",
    b"65535",
    b"65536",
    b"192.0.2.1",
    b"255.255.255.255",
    b"2001:db8::1",
    b"::",
    b"::ffff:192.0.2.1",
    b"%eth0",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x20",
    b"\x21",
    b"\x11",
    b"\x12",
    b"\x21",
    b"\x31",
    b"\0\x0c",
    b"\0\x24",
    b"\0\xd8",
    b"\x0f\xf0",
    b"\x03\0\x04",
    b"\x02\0\x01a",
    b"\x04\0\0",
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
];

pub fn run() {
    let target = Target { name: "proxy", slice: 100_000, seeds: seeds(), words: WORDS };
    target.run(|input, _| {
        let (line, binary) = (proxy::line(input), proxy::binary(input));
        let found = [judge(input, v1::read, line)?, judge(input, v2::read, binary)?];
        Ok(if found.contains(&Verdict::Accepted) { Verdict::Accepted } else { Verdict::Refused })
    });
}

fn seeds() -> Vec<Vec<u8>> {
    let ends = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];
    let begin = b"\r\n\r\n\0\r\nQUIT\n";
    let mut seeds: Vec<Vec<u8>> = [
        &b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET / HTTP/1.1\r\n"[..],
        b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n",
        b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 4711 80\r\n",
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN whatever it is\r\nx",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let binary: [&[&[u8]]; 8] = [
        &[b"\x21\x11\0\x0c", &ends],
        &[b"\x21\x11\0\x0c", &ends, b"\x16\x03\x01"],
        &[b"\x21\x21\0\x24", &[0x20; 36]],
        &[b"\x21\x31\0\xd8", &[b'/'; 216]],
        &[b"\x20\0\0\0"],
        &[b"\x20\x11\0\x03abc"],
        &[b"\x21\x11\0\x13", &ends, b"\x02\0\x01a\x04\0\0"],
        // With its checksum.
        &[b"\x21\x11\0\x13", &ends, b"\x03\0\x04", &sum_of(&ends)],
    ];
    seeds.extend(binary.map(|parts| [&begin[..], &parts.concat()].concat()));
    seeds
}

/// What `v2::read` wants as the checksum behind `ends`: asked of it, one bit after the other, would take too long, so it
/// is the model's.
fn sum_of(ends: &[u8]) -> [u8; 4] {
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13", ends, b"\x03\0\x04\0\0\0\0"].concat();
    proxy::checksum(&header).to_be_bytes()
}

type Read = fn(&[u8]) -> Result<Progress, Malformed>;

fn judge(input: &[u8], read: Read, expected: Option<Header>) -> Outcome {
    let whole = read(input);
    match (expected, whole) {
        (Some((ends, bytes)), Ok(Progress::Done(told, count))) => {
            let wanted = Told { source: ends.map(|ends| ends.0), destination: ends.map(|ends| ends.1) };
            if (told, count) != (wanted, bytes) {
                return Err(format!("{told:?} in {count} bytes, where the rules say {wanted:?} in {bytes}"));
            }
            prefixes(input, read, count)?;
            Ok(Verdict::Accepted)
        }
        (None, Ok(Progress::Need(more))) if more > 0 => Ok(Verdict::Refused),
        (None, Err(_)) => Ok(Verdict::Refused),
        (expected, found) => Err(format!("{found:?}, where the rules say {expected:?}")),
    }
}

/// No beginning of a header is refused, nor is more asked for than it has; so a reader ends exactly behind it.
fn prefixes(input: &[u8], read: Read, count: usize) -> Result<(), String> {
    for length in 0..count {
        match read(&input[..length]) {
            Ok(Progress::Need(more)) if more > 0 && length + more <= count => {}
            other => return Err(format!("{other:?} for the first {length} of {count} bytes")),
        }
    }
    let mut have = 0;
    while let Ok(Progress::Need(more)) = read(&input[..have]) {
        have += more;
    }
    if have == count { Ok(()) } else { Err(format!("a reader ends behind {have} bytes of {count}")) }
}
