"""The canonical path as the documentation promises it, written a second time (docs/routing.md, RFC 3986).

Shares nothing with the gateway: whole segments are rewritten by regular expressions, none of its tables or states.
"""

import re

UNRESERVED = re.compile(rb"[A-Za-z0-9._~-]")
RAW = re.compile(rb"[!\"$-;=<>?@-~]*\Z")
FORBIDDEN = re.compile(rb"[\\#?]")
STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
TRIPLET = re.compile(rb"%[0-9A-Fa-f]{2}")
BEYOND_ASCII = re.compile(rb"(?:%[89A-Fa-f][0-9A-Fa-f])+")
ENCODED = re.compile(rb"[\"<>\[\]^`{|}]")
DOTS = re.compile(rb"(\.{1,2})((?:;|%3B).*)?\Z", re.DOTALL)


def canonical(path: bytes) -> bytes | None:
    """The canonical form of a path without query, None when it is refused."""
    if not path:
        return b"/"
    if not path.startswith(b"/") or not RAW.match(path) or FORBIDDEN.search(path) or STRAY_PERCENT.search(path):
        return None
    if not all(is_utf8(run) for run in BEYOND_ASCII.findall(path)):
        return None
    kept: list[bytes] = []
    ends_open = False
    for raw in path[1:].split(b"/"):
        segment = rewrite(raw)
        if segment is None or is_disguised(raw, segment):
            return None
        ends_open = segment in (b".", b"..")
        if segment == b"..":
            if not kept:
                return None
            kept.pop()
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join([*kept, b""] if ends_open else kept)


def is_utf8(triplets: bytes) -> bool:
    """RFC 3629: well-formed, nothing overlong, no surrogates."""
    try:
        bytes.fromhex(triplets.replace(b"%", b"").decode()).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def rewrite(segment: bytes) -> bytes | None:
    """One segment with one spelling for each byte; None for an encoded NUL or backslash."""

    def triplet(match: re.Match[bytes]) -> bytes:
        byte = bytes.fromhex(match[0][1:].decode())
        return byte if UNRESERVED.match(byte) else match[0].upper()

    written = TRIPLET.sub(triplet, ENCODED.sub(lambda match: b"%%%02X" % match[0][0], segment))
    return None if b"%00" in written or b"%5C" in written else written


def is_disguised(raw: bytes, segment: bytes) -> bool:
    """True for what is a dot segment to some reader only."""
    pieces = segment.split(b"%2F")
    for piece in pieces:
        dots = DOTS.match(piece)
        if dots and (dots[2] is not None or len(pieces) > 1 or raw != piece):
            return True
    return False


def decoded(path: bytes) -> bytes:
    """Every triplet decoded, once: what a server shows that hands the path to an application as text."""
    return TRIPLET.sub(lambda match: bytes.fromhex(match[0][1:].decode()), path)


def segments(path: bytes) -> bytes:
    """Every segment decoded by itself: a decoded slash is written `%2F`, for it separates nothing."""
    return b"/".join(decoded(segment).replace(b"/", b"%2F") for segment in path.split(b"/"))
