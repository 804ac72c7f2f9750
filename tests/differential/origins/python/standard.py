"""http.server of Python's standard library, which reads heads; lengths and chunks are read here."""

import http.server
import urllib.parse

from report import Log

LINE_BYTES_MAX = 65536


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every method."""

    protocol_version = "HTTP/1.1"
    log: Log

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        """Reads the body, reports, answers. A body that is cut ends the connection and is not reported."""
        try:
            body = self.body()
        except (EOFError, ValueError):
            self.close_connection = True
            return
        target = self.requestline.split(" ")[1].encode("latin-1")
        path = self.path.encode("latin-1")
        views = [("http.server", "raw", path.split(b"?")[0])]
        if target.startswith(b"/"):
            views.append(("urllib", "decoded", urllib_path(target)))
        fields = self.headers
        answer = self.log.write(id=fields["x-request-id"], case=fields["x-case"], method=self.command, target=target,
                                views=views, body=body)
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def body(self) -> bytes:
        """The whole body."""
        if self.headers["transfer-encoding"]:
            return self.chunks()
        return self.exactly(int(self.headers["content-length"] or 0))

    def chunks(self) -> bytes:
        """A chunked body without its trailers."""
        body = b""
        while size := int(self.line().split(b";")[0], 16):
            body += self.exactly(size)
            self.line()
        while self.line() != b"\r\n":
            pass
        return body

    def line(self) -> bytes:
        """A line with its end."""
        line = self.rfile.readline(LINE_BYTES_MAX)
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        data = self.rfile.read(count)
        if len(data) != count:
            raise EOFError
        return data

    def log_message(self, *_: object) -> None:
        """Says nothing on standard error."""


def urllib_path(target: bytes) -> bytes:
    """The path as `urllib.parse` has it, behind an authority so that `//` begins no other one."""
    return urllib.parse.unquote_to_bytes(urllib.parse.urlsplit("http://origin" + target.decode("latin-1")).path)


class Server(http.server.ThreadingHTTPServer):
    """Without the look-up of its own host name."""

    request_queue_size = 128

    def server_bind(self) -> None:
        """As its grandparent's."""
        http.server.socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "origin", self.server_address[1]


def serve(_name: str, port: int, log: Log) -> None:
    """Serves for ever."""
    Handler.log = log
    Server(("127.0.0.1", port), Handler).serve_forever()
