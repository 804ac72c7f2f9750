"""A FastCGI responder behind servers that run no program themselves: nginx, Apache, lighttpd.

Such a server reads HTTP and passes on what it read: `REQUEST_URI` is the target as it came, `X_PATH` (or `PATH_INFO`)
the path as the server would look it up, in the form that `X_FORM` names. A request counts when the server has ended its
standard input.
"""

import socketserver
import struct

from report import Log

BEGIN, ABORT, END, PARAMETERS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
KEEP_CONNECTION = 1


class Handler(socketserver.StreamRequestHandler):
    """One connection of the web server."""

    log: Log

    def handle(self) -> None:
        """Serves requests, one after the other, until the server closes."""
        try:
            while self.serve():
                pass
        except (EOFError, OSError):
            return

    def serve(self) -> bool:
        """Serves one request; False when the connection ends with it."""
        parameters, body, keep = b"", b"", False
        while True:
            kind, content = self.record()
            if kind == BEGIN:
                keep = bool(content[2] & KEEP_CONNECTION)
            elif kind == PARAMETERS:
                parameters += content
            elif kind == STDIN and content:
                body += content
            elif kind == STDIN:
                break
            elif kind == ABORT:
                return False
        self.answer(dict(pairs(parameters)), body)
        return keep

    def record(self) -> tuple[int, bytes]:
        """The next record's type and content."""
        _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", self.exactly(8))
        content = self.exactly(length)
        self.exactly(padding)
        return kind, content

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        data = self.rfile.read(count)
        if len(data) != count:
            raise EOFError
        return data

    def answer(self, environ: dict[bytes, bytes], body: bytes) -> None:
        """Reports and answers; a body that is shorter than its length is none."""
        length = environ.get(b"CONTENT_LENGTH", b"")
        if length and int(length) != len(body):
            return self.send(b"Status: 400 Bad Request\r\n\r\n")
        path = environ.get(b"X_PATH") or environ.get(b"SCRIPT_NAME", b"") + environ.get(b"PATH_INFO", b"")
        text = self.log.write(
            id=environ.get(b"HTTP_X_REQUEST_ID", b"").decode("latin-1"),
            case=environ.get(b"HTTP_X_CASE", b"").decode("latin-1"),
            method=environ[b"REQUEST_METHOD"].decode("latin-1"),
            target=environ[b"REQUEST_URI"],
            views=[("path", environ.get(b"X_FORM", b"decoded").decode(), path)],
            body=body,
        )
        self.send(b"Status: 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    def send(self, text: bytes) -> None:
        """Sends an answer as records."""
        head = struct.pack("!BBHHBB", 1, STDOUT, 1, len(text), 0, 0)
        ends = struct.pack("!BBHHBB", 1, STDOUT, 1, 0, 0, 0) + struct.pack("!BBHHBB", 1, END, 1, 8, 0, 0) + bytes(8)
        self.wfile.write(head + text + ends)


def pairs(content: bytes) -> list[tuple[bytes, bytes]]:
    """The name-value pairs of a stream of parameters."""
    found, at = [], 0
    while at < len(content):
        lengths = []
        for _ in range(2):
            wide = content[at] >> 7
            lengths.append(struct.unpack_from("!I", content, at)[0] & 0x7FFFFFFF if wide else content[at])
            at += 4 if wide else 1
        name, value = lengths
        found.append((content[at : at + name], content[at + name : at + name + value]))
        at += name + value
    return found


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def serve(_name: str, port: int, log: Log) -> None:
    """Serves for ever."""
    Handler.log = log
    Server(("127.0.0.1", port), Handler).serve_forever()
