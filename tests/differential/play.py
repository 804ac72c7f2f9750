"""Plays one case against the gateway over a raw socket and writes down what came back."""

import contextlib
import dataclasses
import re
import socket

from model import Message, Verdict

PATIENCE_SECONDS = 40
READ_BYTES = 65536
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [^\r\n]*\Z")


class Ended(Exception):
    """The connection ended; the text says whether something was left unfinished."""


class Malformed(Exception):
    """What came is no answer."""


@dataclasses.dataclass
class Answer:
    """One final answer."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def id(self) -> str:
        """The request id that the gateway gave."""
        return self.fields.get(b"x-request-id", b"").decode("latin-1")

    @property
    def is_forwarded(self) -> bool:
        """True when an origin gave it."""
        return b"via" in self.fields

    @property
    def closes(self) -> bool:
        """True when it says that the connection ends."""
        return self.fields.get(b"connection", b"").lower() == b"close"


@dataclasses.dataclass
class Played:
    """What came back for one case."""

    answers: list[Answer]
    has_closed: bool
    """The connection ended before each message had its answer."""
    trouble: str = ""
    """What no gateway may do: bytes that are no answer, an answer nobody asked for, silence."""


class Client:
    """A connection from an address of its own."""

    def __init__(self, address: str, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.has_ended = False

    def send(self, pieces: list[bytes]) -> None:
        """Sends all of it, unless the gateway has enough before."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return

    def finish(self) -> None:
        """Says that nothing more will come."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def more(self) -> None:
        """Reads once."""
        try:
            data = b"" if self.has_ended else self.socket.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            self.has_ended = True
            raise Ended(f"in the middle of {self.buffer[:60]!r}" if self.buffer else "")
        self.buffer += data

    def until(self, mark: bytes) -> bytes:
        """Reads up to and including a mark."""
        while mark not in self.buffer:
            self.more()
        end = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def exactly(self, count: int) -> bytes:
        """Reads so many bytes."""
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def answer(self, to_head: bool) -> Answer:
        """The next final answer; interim ones are skipped."""
        while True:
            line, *lines = self.until(b"\r\n\r\n")[:-4].split(b"\r\n")
            match = STATUS_LINE.match(line)
            if not match:
                raise Malformed(f"no status line: {line[:80]!r}")
            status = int(match[1])
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            if status >= 200:
                body = b"" if to_head or status in (204, 304) else self.body(fields)
                return Answer(status, fields, body)

    def body(self, fields: dict[bytes, bytes]) -> bytes:
        """The body of an answer that has one."""
        if b"content-length" in fields:
            return self.exactly(int(fields[b"content-length"]))
        if fields.get(b"transfer-encoding") != b"chunked":
            if fields.get(b"connection") != b"close":
                raise Malformed("an answer without end")
            return self.rest()
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.exactly(size)
            self.until(b"\r\n")
        while self.until(b"\r\n") != b"\r\n":
            pass
        return body

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        with contextlib.suppress(Ended):
            while True:
                self.more()
        taken, self.buffer = self.buffer, b""
        return taken


def play(address: str, port: int, pieces: list[bytes], messages: list[Message]) -> Played:
    """Sends a case and reads an answer for each of its messages, then the end."""
    played = Played([], False)
    client = Client(address, port)
    with client.socket:
        client.send(pieces)
        try:
            converse(client, messages, played)
        except Ended as ended:
            played.has_closed = True
            played.trouble = f"the connection ended {ended}" if str(ended) and not may_be_cut(messages, played) else ""
        except TimeoutError:
            played.trouble = f"no answer in {PATIENCE_SECONDS} s"
        except (Malformed, ValueError) as error:
            played.trouble = f"malformed: {error}"
    return played


def converse(client: Client, messages: list[Message], played: Played) -> None:
    """Reads the answers."""
    for message in messages:
        if message.verdict is Verdict.WAIT:
            client.finish()
        # Whether a malformed request was HEAD is anybody's guess; its answer is the last one anyway.
        is_last = message.verdict is Verdict.REJECT
        answer = client.answer(message.method == b"HEAD" or is_last)
        played.answers.append(answer)
        if is_last and answer.closes:
            client.rest()
            return
        if answer.closes or message.ends:
            break
    client.finish()
    if rest := client.rest():
        played.trouble = f"bytes behind the last answer: {rest[:80]!r}"


def may_be_cut(messages: list[Message], played: Played) -> bool:
    """True where a client may see part of an answer: its own message broke off."""
    at = len(played.answers)
    return at < len(messages) and messages[at].verdict in (Verdict.BREAK, Verdict.WAIT)
