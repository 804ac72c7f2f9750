//! Where a head begins and ends, in linear time however it drips in. Facts are offsets; who is to blame for a fault
//! is the caller's business.

use memchr::memchr_iter;

use crate::words::limits::LEADING_BLANK_LINES;

/// Skips the empty lines that RFC 9112 2.2 lets precede a request line; says where the first other byte is or will be.
///
/// # Errors
/// A line end that is not CRLF, or too many of them.
#[inline]
pub(super) fn skip_blank_lines(buffer: &[u8]) -> Result<usize, &'static str> {
    let mut start = 0;
    while let Some(b'\r' | b'\n') = buffer.get(start) {
        if start == 2 * LEADING_BLANK_LINES {
            return Err("too many empty lines before the request");
        }
        match &buffer[start..] {
            [b'\r', b'\n', ..] => start += 2,
            [b'\r'] => return Ok(start + 1),
            _ => return Err("a bare CR or LF before the request"),
        }
    }
    Ok(start)
}

/// True when the empty line that ends a head is in `buffer`. The head begins at `start`; the first `seen` bytes were
/// looked at before.
///
/// # Errors
/// A line ends in a bare LF: refused as soon as it is seen, or a client that ends its head by two of them would wait
/// for its timeout.
pub(super) fn has_end(buffer: &[u8], start: usize, seen: usize) -> Result<bool, &'static str> {
    // An end that began in the seen bytes: its first LF is at most two bytes back.
    let from = start.max(seen.saturating_sub(2)).min(buffer.len());
    for line_feed in memchr_iter(b'\n', &buffer[from..]) {
        let (line, rest) = buffer.split_at(from + line_feed);
        if !line.ends_with(b"\r") {
            return Err("a line ends in a bare LF");
        }
        if rest.starts_with(b"\n\r\n") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_wherever_the_seen_bytes_stop() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        let end = head.len() - 4;
        for seen in 0..end {
            assert_eq!(has_end(&head[..end - 1], 0, seen.min(end - 2)), Ok(false));
            assert_eq!(has_end(head, 0, seen), Ok(true), "{seen}");
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused_at_once() {
        assert!(has_end(b"GET / HTTP/1.1\n", 0, 0).is_err());
        assert!(has_end(b"GET / HTTP/1.1\r\nHost: a\n", 0, 16).is_err());
        assert!(has_end(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 0, 25).is_err());
    }

    #[test]
    fn blank_lines_before_a_request_are_bounded() {
        assert_eq!(skip_blank_lines(b""), Ok(0));
        assert_eq!(skip_blank_lines(b"\r\n\r\nGET"), Ok(4));
        assert_eq!(skip_blank_lines(b"\r\n\r"), Ok(3));
        assert!(skip_blank_lines(b"\n").is_err());
        assert!(skip_blank_lines(b"\rG").is_err());
        let lines = b"\r\n".repeat(LEADING_BLANK_LINES + 1);
        assert_eq!(skip_blank_lines(&lines[2..]), Ok(lines.len() - 2));
        assert!(skip_blank_lines(&lines).is_err());
    }
}
