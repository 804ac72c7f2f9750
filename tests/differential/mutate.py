"""Makes cases: what one client sends on one connection, from a seed and a number.

A case is a few messages by a grammar that knows what readers of HTTP/1.1 disagree about, or fixtures, sometimes damaged
byte by byte afterwards. Nothing here knows which of them are good: `model` decides that.
"""

import dataclasses
import random

from targets import target

METHODS = [b"GET"] * 8 + [b"POST"] * 8 + [b"PUT", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"HEAD", b"OPTIONS"]
ODD_METHODS = [
    b"get", b"Post", b"QUERY", b"TRACE", b"CONNECT", b"PROPFIND", b"PURGE", b"M-SEARCH", b"!", b"G|T", b"X" * 32,
    b"X" * 33, b"PRI", b"GETT", b"",
]
VERSIONS = [
    *[b"HTTP/1.1"] * 40, *[b"HTTP/1.0"] * 5, b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.10",
    b"HTTP/01.1", b"HTTP/0.9", b"",
]
HOSTS = [
    *[b"a"] * 12, b"Example.COM", b"a.example.", b"a:80", b"a:", b"[::1]", b"[2001:db8::1]:8080", b"127.0.0.1:65535",
    b"my_host",
]
ODD_HOSTS = [
    b"", b"a b", b"a,b", b"a:b", b"a:65536", b"a/b", b"user@a", b"[::1", b"a..b", b".a", b"a%41", b"[fe80::1%25eth0]",
    b"a\tb", b"xn--\xc3\xa9", b"a#", b"a?", b"[v1.x]", b"-", b"~",
]
CODINGS = [
    *[b"chunked"] * 8, b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"chunked,", b",chunked",
    b"identity", b"gzip, chunked", b"chunked, chunked", b"chunked, identity", b"xchunked", b"chunked;q=1",
    b"\"chunked\"", b"chunked\x0b", b"chunk\xc3\xa9d", b"", b"\x00chunked", b"cow", b"chunked\r\n ", b"chunked, gzip",
]
FIELDS = [
    b"Accept: */*", b"User-Agent: differential/1 (\xc3\xa9)", b"Cookie: a=b; c=\"d\"", b"X-Empty:",
    b"X-Space:   a  b  ", b"X-Tab:\ta\tb\t", b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: application/json", b"Content-Type: text/plain; charset=utf-16", b"Connection: keep-alive",
    b"Connection: x-empty, X-Nominated", b"X-Nominated: 1", b"Connection: close", b"Connection: , ,te,",
    b"TE: trailers", b"TE: trailers, deflate;q=0.5", b"Trailer: x-sum", b"Upgrade: h2c", b"Upgrade: websocket",
    b"Connection: Upgrade", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Connection: upgrade, http2-settings",
    b"Expect: 100-continue", b"Keep-Alive: timeout=1, max=1", b"Proxy-Connection: keep-alive",
    b"X-Forwarded-For: 1.2.3.4, [::1]", b"X-Forwarded-Host: evil", b"X-Forwarded-Proto: https",
    b"Forwarded: for=1.2.3.4;host=\"evil\"", b"X-Real-IP: 9.9.9.9", b"X-Request-Id: smuggled",
    b"Via: 1.1 other, 1.0 ringway", b"Max-Forwards: 3", b"Max-Forwards: 0", b"X-HTTP-Method-Override: DELETE",
    b"X-Original-URL: /other", b"X-Rewrite-URL: /other", b"Range: bytes=0-0", b"If-Match: \"x\"",
    b"If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", b"Content-Language: x", b"Priority: u=1",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"X-Latin: \xe9\xff",
    b"!#$%&'*+-.^_`|~: all of tchar", b"Accept-Encoding: gzip, br;q=0", b"Origin: null", b"Date: yesterday",
    b"X-Long: " + b"v" * 3000,
    # Twins of framing and identity fields by underscore, which CGI and its heirs cannot tell apart.
    b"X_Request_Id: twin", b"content_length: 3", b"Content_Length: 0",
    b"transfer_encoding: chunked", b"X_Forwarded_For: 6.6.6.6", b"Host_: b", b"x_case: 0",
]
ODD_FIELDS = [
    b"X-Case : 1", b" X-Folded: 1", b"X-Fold: a\r\n b", b"X-Fold: a\r\n\tb", b": no name", b"no colon", b"X\x00Y: 1",
    b"X-Nul: a\x00b", b"X-Cr: a\rb", b"X-Lf: a\nb", b"X-Lf: a\nContent-Length: 3",
    b"X-Cr: a\rTransfer-Encoding: chunked", b"X-Vt: a\x0bb", b"X-Del: \x7f", b"Host: second", b"host: a",
    b"Expect: 200-ok", b"Expect: 100-continue, x", b"Connection: a b", b"Connection: \"close\"", b"X(Y): 1",
    b"X\xc3\xa9: 1", b"\x0bContent-Length: 3", b"Content-Length\t: 3", b"Content-Length:\x0b3",
    b"Transfer-Encoding\x00: chunked", b"Transfer-Encoding : chunked",
    b"Via: 1.1 ringway, 1.1 ringway, 1.1 ringway, 1.1 ringway",
    b"Connection: " + b",".join(b"f%d" % number for number in range(17)),
]
LENGTHS = [
    *[b"%d"] * 30, b"+%d", b"-%d", b"0%d", b"00000000000000%d", b" %d ", b"\t%d", b"%d,%d", b"%d, %d", b"0x%x", b"%d.0",
    b"%de0", b"1%d", b"", b"%d\x00", b"%d\x0b", b"'%d'", b"%d;a", b"_%d", b"99999999999999999999%d", b"\xc2\xa0%d",
]
SIZES = [
    *[b"%x"] * 30, b"%X", b"0%x", b"00000%x", b"%x;a=b", b"%x;a=\"b;c\"", b"%x;" + b"e" * 200, b"%x;" + b"e" * 300,
    b"%x ", b" %x", b"%x\t", b"0x%x", b"+%x", b"-%x", b"%xg", b"", b";a", b"%x ;a", b"%x\x00", b"%x;a\x01",
    b"%x;\xc3\xa9", b"0000000000000000%x", b"%x,%x", b"%x;a=b\n", b"%x\x0b",
]
GOOD_SIZES = [*[b"%x"] * 6, b"%X", b"0%x", b"00000%x", b"%x;a=b", b"%x;a=\"b;c\""]
LINE_ENDS = [b"\r\n"] * 60 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b"", b" \r\n", b"\r\n\r\n"]
TRAILERS = [
    b"X-Sum: 1\r\n", b"X-Case: 999\r\n", b"Content-Length: 5\r\n", b"Host: evil\r\n", b"Transfer-Encoding: chunked\r\n",
    b"X-Request-Id: evil\r\n", b"a\r\n", b" folded: 1\r\n", b"X: a\nb\r\n", b"X : 1\r\n", b"Cookie: a\r\n", b": \r\n",
    b"X_Request_Id: evil\r\n",
]
DAMAGE = [
    b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"%", b"/", b"\\", b"?", b"#", b"0", b",", b";", b"\xc3\xa9",
    b"\xff", b"\x0b", b"A",
]


@dataclasses.dataclass
class Case:
    """What one client sends."""

    number: int
    pieces: list[bytes]

    @property
    def stream(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


class Maker:
    """Makes the cases of one seed."""

    def __init__(self, seed: str, fixtures: list[bytes], paths_only: bool = False) -> None:
        self.seed = seed
        self.fixtures = fixtures
        self.paths_only = paths_only

    def case(self, number: int) -> Case:
        """The case of this number; the same for the same seed."""
        dice = random.Random(f"{self.seed}/{number}")
        if self.paths_only:
            stream = b"".join(get(dice, number) for _ in range(dice.choice([1, 1, 2, 4])))
        else:
            stream = self.stream(dice, number)
        return Case(number, cut(dice, stream))

    def stream(self, dice: random.Random, number: int) -> bytes:
        """The bytes of a case."""
        kind = dice.random()
        if kind < 0.2:
            return b"".join(get(dice, number) for _ in range(dice.choice([1, 1, 2, 4])))
        if kind < 0.75:
            oddity = 0 if kind < 0.5 else 0.15
            messages = [message(dice, number, oddity) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
        else:
            messages = [dice.choice(self.fixtures) for _ in range(dice.choice([1, 1, 2]))]
        stream = b"".join(messages)
        return damaged(dice, stream) if kind > 0.9 or 0.7 < kind < 0.75 else stream


def get(dice: random.Random, number: int) -> bytes:
    """A request without body that is all about its target."""
    return b"GET %s HTTP/1.1\r\nHost: a\r\nX-Case: %d\r\n\r\n" % (target(dice), number)


def message(dice: random.Random, number: int, oddity: float) -> bytes:
    """A request by the grammar; with probability `oddity` each part of it is one that should not be."""
    is_odd = lambda: dice.random() < oddity
    method = dice.choice(ODD_METHODS if is_odd() else METHODS)
    where = target(dice) if is_odd() or dice.random() < 0.3 else b"/%d?q=%d" % (number, number)
    version = dice.choice(VERSIONS if is_odd() else [*[b"HTTP/1.1"] * 9, b"HTTP/1.0"])
    line = b"%s %s %s" % (method, where, version)
    fields = [b"Host: " + dice.choice(ODD_HOSTS if is_odd() else HOSTS), b"X-Case: %d" % number]
    fields += dice.choices(FIELDS, k=dice.choice([0, 0, 1, 2, 4]))
    fields += many(dice, fields) if dice.random() < 0.02 else []
    if is_odd():
        fields.append(dice.choice(ODD_FIELDS))
    has_body = method in (b"POST", b"PUT", b"PATCH") or dice.random() < 0.15
    framing, body = framed(dice, payload(dice, number), is_odd) if has_body else ([], b"")
    fields += framing
    dice.shuffle(fields)
    text = b"".join(field + (dice.choice(LINE_ENDS) if is_odd() else b"\r\n") for field in [line, *fields])
    return b"\r\n" * (dice.random() < 0.05) + text + b"\r\n" + body


def many(dice: random.Random, fields: list[bytes]) -> list[bytes]:
    """Fields that bring a head near its bounds: 100 lines, or 32 KiB."""
    if dice.random() < 0.5:
        return [b"X-%d: v" % number for number in range(dice.choice([50, 90, 98, 99, 100]) - len(fields))]
    room = dice.choice([16_000, 32_000, 32_700]) - sum(len(field) + 2 for field in fields)
    return [b"X-Wide: " + b"w" * (room // 4 - 10)] * 4


def framed(dice: random.Random, body: bytes, is_odd: object) -> tuple[list[bytes], bytes]:
    """Framing fields and the body in that framing."""
    size = len(body)
    if dice.random() < 0.45:
        form = dice.choice(LENGTHS) if is_odd() else b"%d"
        length = form.replace(b"%x", b"%d") % ((size,) * (form.count(b"%d") + form.count(b"%x")))
        fields = [b"Content-Length: " + length]
        if is_odd():
            coding = b"Transfer-Encoding: " + dice.choice(CODINGS)
            fields.append(dice.choice([b"Content-Length: %d" % size, b"Content-Length: 0", coding]))
        return fields, body + b"x" * (is_odd() and dice.randrange(3))
    fields = [b"Transfer-Encoding: " + (dice.choice(CODINGS) if is_odd() else b"chunked")]
    if is_odd():
        fields.append(dice.choice([b"Content-Length: %d" % size, b"Transfer-Encoding: chunked", b"Content-Length: 0"]))
    return fields, chunked(dice, body, is_odd)


def chunked(dice: random.Random, body: bytes, is_odd: object) -> bytes:
    """A body in chunks, of any sizes."""
    out = b""
    while body:
        size = min(len(body), dice.choice([1, 2, 7, 16, 255, 4096, 70_000]))
        form = dice.choice(SIZES if is_odd() else GOOD_SIZES)
        end = lambda: dice.choice(LINE_ENDS) if is_odd() else b"\r\n"
        out += form % ((size,) * (form.count(b"%x") + form.count(b"%X"))) + end() + body[:size] + end()
        body = body[size:]
    last = dice.choice([b"0", b"0", b"0", b"000", b"0;a"]) + (dice.choice(LINE_ENDS) if is_odd() else b"\r\n")
    trailers = dice.choices(TRAILERS if is_odd() else TRAILERS[:6], k=dice.choice([0, 0, 0, 1, 2]))
    return out + last + b"".join(trailers) + b"\r\n"


def payload(dice: random.Random, number: int) -> bytes:
    """A body: nothing, noise, something long, or what would be a request if anybody took it for one."""
    kind = dice.random()
    smuggled = b"GET /smuggled/%d HTTP/1.1\r\nHost: smuggled\r\nX-Case: %d\r\n\r\n" % (number, number)
    if kind < 0.1:
        return b""
    if kind < 0.5:
        before = dice.choice([b"", b"0\r\n\r\n", b"\r\n", b"a", b"5\r\nhello\r\n0\r\n\r\n"])
        return before + smuggled * dice.choice([1, 1, 3])
    if kind < 0.9:
        return dice.randbytes(dice.choice([1, 5, 40, 300, 2000]))
    return dice.randbytes(1000) * dice.choice([5, 20, 100])


def damaged(dice: random.Random, stream: bytes) -> bytes:
    """A stream with one to three bytes inserted, removed, replaced or repeated."""
    for _ in range(dice.choice([1, 1, 2, 3])):
        # Heads come first and are what matters.
        at = dice.randrange(min(len(stream), dice.choice([60, 400, 100_000])) + 1)
        kind = dice.randrange(5)
        new = b"" if kind == 0 else dice.choice(DAMAGE) if kind < 4 else stream[at : at + dice.choice([1, 2, 30])] * 2
        stream = stream[:at] + new + stream[at + (kind != 1) :]
    return stream


def cut(dice: random.Random, stream: bytes) -> list[bytes]:
    """A stream in the pieces in which it is sent."""
    if dice.random() < 0.7 or len(stream) < 2:
        return [stream]
    places = sorted({0, len(stream), *(dice.randrange(1, len(stream)) for _ in range(dice.choice([1, 2, 5])))})
    return [stream[start:end] for start, end in zip(places, places[1:])]
