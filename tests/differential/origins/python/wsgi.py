"""Servers that speak WSGI (PEP 3333): gunicorn, waitress, cheroot, gevent, each with a parser of its own."""

from collections.abc import Iterable

from report import Log
from werkzeug.wrappers import Request

THREADS = 8


class Application:
    """The WSGI application: reads the body, reports, answers."""

    def __init__(self, log: Log, form: str) -> None:
        self.log = log
        self.form = form

    def __call__(self, environ: dict, start_response: object) -> Iterable[bytes]:
        body = read(environ)
        if body is None:
            # Cut: no request. The status is never 200.
            start_response("400 Bad Request", [("content-length", "0"), ("connection", "close")])
            return [b""]
        raw = environ.get("RAW_URI", environ.get("REQUEST_URI"))
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        views = [("PATH_INFO", self.form, path)]
        if path.startswith(b"/"):
            views.append(("werkzeug", self.form, Request(environ).path.encode()))
        answer = self.log.write(
            id=environ.get("HTTP_X_REQUEST_ID"),
            case=environ.get("HTTP_X_CASE"),
            method=environ["REQUEST_METHOD"],
            target=None if raw is None else raw.encode("latin-1"),
            query=environ["QUERY_STRING"].encode("latin-1"),
            views=views,
            body=body,
        )
        start_response("200 OK", [("content-length", str(len(answer)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer]


def read(environ: dict) -> bytes | None:
    """The body; None when it is shorter than its length says."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body = stream.read(int(length))
        return body if len(body) == int(length) else None
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "") or environ.get("wsgi.input_terminated"):
        return stream.read()
    return b""


def serve(name: str, port: int, log: Log) -> None:
    """Serves for ever."""
    servers = {"gunicorn": gunicorn, "waitress": waitress, "cheroot": cheroot, "gevent": gevent}
    # Cheroot keeps an encoded slash apart from the others.
    servers[name](Application(log, "segments" if name == "cheroot" else "decoded"), port)


def gunicorn(application: Application, port: int) -> None:
    """Gunicorn with one worker of threads: its other kinds of worker use the same parser."""
    from gunicorn.app.base import BaseApplication

    class Gunicorn(BaseApplication):
        def load_config(self) -> None:
            settings = {"bind": f"127.0.0.1:{port}", "worker_class": "gthread", "threads": THREADS, "keepalive": 60,
                        "loglevel": "critical", "limit_request_line": 0, "limit_request_field_size": 0,
                        "control_socket_disable": True}
            for key, value in settings.items():
                if key in self.cfg.settings:
                    self.cfg.set(key, value)

        def load(self) -> Application:
            return application

    Gunicorn().run()


def waitress(application: Application, port: int) -> None:
    """Waitress, an asynchronous reader in front of threads."""
    import logging

    from waitress import serve as serve_waitress

    logging.getLogger("waitress").setLevel(logging.CRITICAL)
    serve_waitress(application, listen=f"127.0.0.1:{port}", threads=THREADS, channel_timeout=60)


def cheroot(application: Application, port: int) -> None:
    """Cheroot, the server of CherryPy."""
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", port), application, numthreads=THREADS, request_queue_size=128)
    server.error_log = lambda *_, **__: None
    server.safe_start()


def gevent(application: Application, port: int) -> None:
    """gevent's own server."""
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), application, log=None, error_log=None).serve_forever()
