"""What the requests in a stream of bytes are: a strict reader of HTTP/1.1, written a second time.

It reads whole buffers, slowly, by the grammar of RFC 9110 and 9112 and by what the gateway promises beyond them
(`tests/wire/README.md`, `src/words/limits.rs`): where the RFCs leave two readings, there is none. Not here: the status
of a refusal, and fields that have no say in where a message ends or goes.
"""

import dataclasses
import enum
import ipaddress
import re

from canonical import canonical

HEAD_BYTES_MAX = 32 * 1024
LINES_MAX = 100
METHOD_BYTES_MAX = 32
TARGET_BYTES_MAX = 8 * 1024
BLANK_LINES_MAX = 4
HOST_BYTES_MAX = 255
OPTIONS_MAX = 16
BODY_BYTES_MAX = 10 << 20
EXTENSION_BYTES_MAX, EXTENSIONS_BYTES_MAX = 256, 16 * 1024
TRAILER_BYTES_MAX, TRAILERS_MAX = 8 * 1024, 32
VIA_MAX = 3

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])\Z")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)\Z")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;([\t\x20-\x7e\x80-\xff]*))?\r\n")
NAME = re.compile(rb"[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*\.?\Z")
PORT = re.compile(rb"(?::([0-9]{0,5}))?\Z")
HOP_OPTIONS = {b"close", b"keep-alive", b"upgrade", b"te"}


class Verdict(enum.Enum):
    """What must become of a message."""

    ACCEPT = "is forwarded, once"
    LOCAL = "is answered by the gateway itself"
    REJECT = "has a malformed head: refused, and the connection ends"
    BREAK = "has a good head and a malformed body: never complete anywhere, and the connection ends"
    WAIT = "is not complete"


@dataclasses.dataclass
class Message:
    """One request of a stream."""

    verdict: Verdict
    method: bytes = b""
    path: bytes = b""
    """The canonical path, or `*`."""
    query: bytes | None = None
    body: bytes = b""
    ends: bool = False
    """No other request follows on the connection."""
    is_local: bool = False
    """The head alone says that the gateway answers by itself, whatever becomes of the body."""
    why: str = ""

    @property
    def target(self) -> bytes:
        """The target that is forwarded."""
        return self.path if self.query is None else self.path + b"?" + self.query


class Refused(Exception):
    """The head breaks a rule."""


def read(stream: bytes) -> list[Message]:
    """The messages of a stream, up to the first behind which nothing can be read."""
    messages, at = [], 0
    while at is not None and at < len(stream):
        message, at = read_message(stream, at)
        if message:
            messages.append(message)
    return messages


def read_message(stream: bytes, at: int) -> tuple[Message | None, int | None]:
    """The message at `at` and where the next one begins; None where nothing follows."""
    start = skip_blank_lines(stream, at)
    if start is None:
        return Message(Verdict.REJECT, ends=True, why="blank lines"), None
    if start >= len(stream):
        return None, None
    end = stream.find(b"\r\n\r\n", start)
    if end < 0 or end + 4 - at > HEAD_BYTES_MAX:
        is_over = len(stream) - at >= HEAD_BYTES_MAX or is_hopeless(stream[start:])
        return Message(Verdict.REJECT if is_over else Verdict.WAIT, ends=True, why="no end of head"), None
    try:
        head = Head(stream[start:end])
    except Refused as refused:
        return Message(Verdict.REJECT, ends=True, why=str(refused)), None
    return head.with_body(stream, end + 4)


def skip_blank_lines(stream: bytes, at: int) -> int | None:
    """Where the request line begins; None when what precedes it is not allowed."""
    lines = 0
    while stream[at : at + 1] in (b"\r", b"\n") and at < len(stream):
        if lines == BLANK_LINES_MAX or stream[at : at + 2] not in (b"\r\n", b"\r"):
            return None
        lines += 1
        at += 2
    return at


def is_hopeless(text: bytes) -> bool:
    """True when no bytes behind an incomplete head can mend it: a reader that goes on waiting would be held up."""
    line, end, _ = text.partition(b"\r\n")
    if not re.match(TOKEN, text) or re.search(rb"(?<!\r)\n", text):
        return True
    if end:
        return not REQUEST_LINE.match(line)
    method, _, target = text.partition(b" ")
    return len(method) > METHOD_BYTES_MAX or len(target) > TARGET_BYTES_MAX and b" " not in target


class Head:
    """A request's head, checked."""

    def __init__(self, text: bytes) -> None:
        line, *lines = text.split(b"\r\n")
        match = REQUEST_LINE.match(line)
        if not match or len(match[1]) > METHOD_BYTES_MAX or len(match[2]) > TARGET_BYTES_MAX or not is_text(match[2]):
            raise Refused("request line")
        self.method, target, minor = match[1], match[2], match[3]
        self.is_11 = minor == b"1"
        if len(lines) > LINES_MAX:
            raise Refused("too many lines")
        matches = [FIELD_LINE.match(line) for line in lines]
        if not all(matches):
            raise Refused("field line")
        self.fields = [(match[1].lower(), match[2].rstrip(b" \t")) for match in matches]
        self.path, self.query, authority = self.split_target(target)
        self.check_host(authority)
        self.options = self.connection_options()
        self.length, self.is_chunked = self.framing()
        if any(value.lower() != b"100-continue" for value in self.all(b"expect")):
            raise Refused("expectation")

    def all(self, name: bytes) -> list[bytes]:
        """The values of the lines of this name."""
        return [value for other, value in self.fields if other == name]

    def split_target(self, target: bytes) -> tuple[bytes, bytes | None, bytes | None]:
        """Canonical path, query and authority of a target (RFC 9112 3.2)."""
        if self.method == b"CONNECT" or b"#" in target:
            raise Refused("CONNECT or fragment")
        if target == b"*" and self.method == b"OPTIONS":
            return b"*", None, None
        authority = None
        if not target.startswith(b"/"):
            scheme = re.match(rb"https?://([^/?]*)", target, re.IGNORECASE)
            if not scheme:
                raise Refused("target form")
            authority, target = scheme[1], target[scheme.end() :]
            check_authority(authority)
        path, mark, query = target.partition(b"?")
        if not path and not mark and self.method == b"OPTIONS":
            return b"*", None, authority
        written = canonical(path)
        if written is None:
            raise Refused("path")
        return written, query if mark else None, authority

    def check_host(self, authority: bytes | None) -> None:
        """RFC 9112 3.2."""
        hosts = self.all(b"host")
        if len(hosts) > 1 or (not hosts and self.is_11):
            raise Refused("Host is missing or repeated")
        for host in hosts:
            check_authority(host)

    def connection_options(self) -> set[bytes]:
        """RFC 9110 7.6.1."""
        options = [option for value in self.all(b"connection") for option in members(value)]
        if not all(re.fullmatch(TOKEN, option) for option in options):
            raise Refused("Connection option")
        nominated = [option for option in options if option.lower() not in HOP_OPTIONS]
        if len(nominated) > OPTIONS_MAX:
            raise Refused("too many Connection options")
        return {option.lower() for option in options}

    def framing(self) -> tuple[int, bool]:
        """Length, and whether the body is chunked (RFC 9112 6)."""
        lengths, codings = self.all(b"content-length"), self.all(b"transfer-encoding")
        if len(lengths) + len(codings) > 1 or (codings and not self.is_11):
            raise Refused("framing fields")
        if lengths and not re.fullmatch(rb"[0-9]{1,19}", lengths[0]):
            raise Refused("Content-Length")
        if codings and codings[0].lower() != b"chunked":
            raise Refused("Transfer-Encoding")
        return int(lengths[0]) if lengths else 0, bool(codings)

    def asks_for_another_protocol(self) -> bool:
        """RFC 9110 7.8: only WebSocket may be asked for, by GET. `h2c`, and Upgrade beside a body, ask for nothing."""
        protocols = [protocol.lower() for value in self.all(b"upgrade") for protocol in members(value)]
        asks = self.is_11 and b"upgrade" in self.options and protocols and b"h2c" not in protocols
        if not asks or self.is_chunked or self.length:
            return False
        return self.method != b"GET" or b"websocket" not in protocols

    @property
    def ends(self) -> bool:
        """RFC 9112 9.3."""
        is_last = b"close" in self.options or (not self.is_11 and b"keep-alive" not in self.options)
        # What is refused with an upgrade may go on in another protocol.
        return is_last or self.asks_for_another_protocol()

    @property
    def is_local(self) -> bool:
        """True for what the gateway answers without asking anybody."""
        vias = [member.split() for value in self.all(b"via") for member in value.split(b",")]
        hops = self.all(b"max-forwards")
        is_last_hop = self.method == b"OPTIONS" and len(hops) == 1 and re.fullmatch(rb"0+", hops[0]) is not None
        is_loop = sum(len(via) > 1 and via[1].lower() == b"ringway" for via in vias) > VIA_MAX
        return self.method == b"TRACE" or is_last_hop or is_loop or self.asks_for_another_protocol()

    def with_body(self, stream: bytes, at: int) -> tuple[Message, int | None]:
        """The whole message whose body begins at `at`."""
        verdict = Verdict.LOCAL if self.is_local else Verdict.ACCEPT
        message = Message(verdict, self.method, self.path, self.query, ends=self.ends, is_local=self.is_local)
        if self.is_chunked:
            body, end = read_chunks(stream, at)
        elif self.length > BODY_BYTES_MAX:
            message.verdict, message.ends = Verdict.LOCAL, True
            return message, None
        else:
            body, end = stream[at : at + self.length], at + self.length
            end = end if end <= len(stream) else Verdict.WAIT
        if isinstance(end, Verdict):
            # An answer made here does not wait for the body, and ends the connection if there is more of it.
            message.verdict = Verdict.LOCAL if self.is_local else end
            message.ends, message.body = True, body
            return message, None
        message.body = body
        return message, None if message.ends else end


def read_chunks(stream: bytes, at: int) -> tuple[bytes, int | Verdict]:
    """A chunked body (RFC 9112 7.1) and where it ends, or the verdict if it does not."""
    body, extensions = b"", 0
    while True:
        line = CHUNK_LINE.match(stream, at)
        if not line:
            return body, Verdict.BREAK if b"\n" in stream[at:] or not is_begun_size(stream[at:]) else Verdict.WAIT
        extension = len(line[2] or b"")
        extensions += extension
        if extension > EXTENSION_BYTES_MAX or extensions > EXTENSIONS_BYTES_MAX:
            return body, Verdict.BREAK
        size, at = int(line[1], 16), line.end()
        if size == 0:
            return body, read_trailers(stream, at)
        body += stream[at : at + size]
        at += size
        end = stream[at : at + 2]
        if end != b"\r\n":
            return body, Verdict.WAIT if b"\r\n".startswith(end) else Verdict.BREAK
        at += 2


def is_begun_size(text: bytes) -> bool:
    """True for what may yet become a size line."""
    return re.fullmatch(rb"([0-9A-Fa-f]{0,16}|[0-9A-Fa-f]{1,16}(;[\t\x20-\x7e\x80-\xff]{0,256})?\r?)", text) is not None


def read_trailers(stream: bytes, at: int) -> int | Verdict:
    """Where the trailer section that begins at `at` ends."""
    start, lines = at, 0
    while True:
        end = stream.find(b"\n", at)
        if end < 0:
            return Verdict.BREAK if len(stream) - start > TRAILER_BYTES_MAX else Verdict.WAIT
        line = stream[at : end + 1]
        at = end + 1
        if at - start > TRAILER_BYTES_MAX or not line.endswith(b"\r\n"):
            return Verdict.BREAK
        if line == b"\r\n":
            return at
        lines += 1
        if lines > TRAILERS_MAX or not FIELD_LINE.match(line[:-2]):
            return Verdict.BREAK


def check_authority(authority: bytes) -> None:
    """`host[:port]` (RFC 9110 7.2), of unreserved characters or an IPv6 address."""
    host = re.match(rb"\[([^\]%]*)\]|[^:]*", authority)
    if host[1] is not None:
        try:
            ipaddress.IPv6Address(host[1].decode("ascii"))
        except ValueError:
            raise Refused("IPv6 address") from None
    elif not NAME.match(host[0]) or len(host[0]) > HOST_BYTES_MAX:
        raise Refused("host")
    port = PORT.match(authority, host.end())
    if not port or int(port[1] or 0) > 65535:
        raise Refused("port")


def members(value: bytes) -> list[bytes]:
    """The members of a list, empty ones left out (RFC 9110 5.6.1)."""
    return [member for member in (part.strip(b" \t") for part in value.split(b",")) if member]


def is_text(target: bytes) -> bool:
    """True for UTF-8."""
    try:
        target.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
