"""The origins: what they are, what they need, how they start and stop."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterator

import install
import installers

HERE = pathlib.Path(__file__).resolve().parent
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 5
PORTS = (10_000, 32_000)


@dataclasses.dataclass(frozen=True)
class Origin:
    """One HTTP/1.1 server."""

    name: str
    source: str
    """The registry it comes from."""
    parser: str
    """Whose parser reads the requests."""
    needs: tuple[str, ...]
    """What `install` must bring."""
    command: tuple[str, ...]
    """Words may hold $port, $log, $directory, and $conf, the configuration when its template is filled in."""
    conf: str = ""
    """A template beside this file."""
    responder: str = ""
    """The program behind a server that runs none itself."""
    environment: tuple[tuple[str, str], ...] = ()


def python(name: str, parser: str, source: str = "PyPI") -> Origin:
    """A server that Python runs."""
    interpreter = sys.executable if source != "PyPI" else str(install.VENV / "bin/python")
    needs = ("venv",) if source == "PyPI" else ()
    command = (interpreter, str(HERE / "origins/python/origin.py"), name, "$port", "$log")
    return Origin(name, source, parser, needs, command, environment=(("AIOHTTP_NO_EXTENSIONS", "1"),))


def node(name: str, parser: str, source: str, argument: str, needs: tuple[str, ...]) -> Origin:
    """node:http with a parser."""
    command = ("node", "--no-deprecation", str(HERE / "origins/node/origin.js"), argument, "$port", "$log")
    return Origin(name, source, parser, needs, command, environment=(("NODE_PATH", str(install.NODE_MODULES)),))


def rust(name: str, parser: str) -> Origin:
    """A server of the package in `origins/rust`."""
    return Origin(name, "crates.io", parser, ("cargo",), (str(install.RUST_BINARY), name, "$port", "$log"))


def debian(name: str, parser: str, needs: str, conf: str, *command: str, responder: str = "fastcgi") -> Origin:
    """A server of Debian in front of a responder."""
    return Origin(name, "Debian", parser, (needs,), command, conf, responder)


ORIGINS = [
    python("http-server", "Python's http.server", "Python"),
    node("node", "node:http (llhttp)", "node", "native", ("node",)),
    debian("nginx", "nginx", "nginx", "nginx.conf",
           "nginx", "-p", "$directory", "-e", "$directory/error.log", "-c", "$conf"),
    debian("apache", "Apache httpd", "apache2", "apache.conf", "apache2", "-X", "-f", "$conf"),
    debian("lighttpd", "lighttpd", "lighttpd", "lighttpd.conf", "lighttpd", "-D", "-f", "$conf"),
    debian("caddy", "Go's net/http", "caddy", "Caddyfile",
           "caddy", "run", "--adapter", "caddyfile", "--config", "$conf", responder="http-server"),
    Origin("puma", "Debian", "puma (Ragel)", ("puma",),
           ("puma", "--quiet", "--environment", "deployment", "--threads", "8:8", "--bind", "tcp://127.0.0.1:$port",
            str(HERE / "origins/ruby/config.ru")),
           environment=(("ORIGIN_LOG", "$log"),)),
    python("gunicorn", "gunicorn"),
    python("waitress", "waitress"),
    python("cheroot", "cheroot"),
    python("gevent", "gevent.pywsgi"),
    python("tornado", "tornado"),
    python("aiohttp", "aiohttp (Python parser)"),
    python("twisted", "twisted.web"),
    python("uvicorn-h11", "h11"),
    python("uvicorn-httptools", "httptools (llhttp)"),
    node("node-js", "http-parser-js", "npm", "js", ("node", "npm")),
    rust("hyper", "hyper (httparse)"),
    rust("actix", "actix-http (httparse)"),
    rust("tiny_http", "tiny_http"),
]


@dataclasses.dataclass
class Running:
    """An origin that serves."""

    port: int
    log: pathlib.Path

    def records(self) -> list[dict]:
        """What it saw so far."""
        if not self.log.exists():
            return []
        with self.log.open() as lines:
            return [json.loads(line) for line in lines]


@contextlib.contextmanager
def run(origin: Origin, directory: pathlib.Path) -> Iterator[Running]:
    """Starts an origin, with its responder if it needs one, and ends both."""
    running = Running(free_port(), directory / "seen.log")
    words = {"port": str(running.port), "log": str(running.log), "directory": str(directory),
             "conf": str(directory / "conf"), "modules": install.APACHE_MODULES}
    with contextlib.ExitStack() as stack:
        if origin.conf:
            words["responder"] = str(free_port())
            program = str(HERE / "origins/python/origin.py")
            responder = [sys.executable, program, origin.responder, words["responder"], words["log"]]
            stack.enter_context(process(responder, {}, directory, int(words["responder"])))
            template = string.Template((HERE / "origins/conf" / origin.conf).read_text())
            (directory / "conf").write_text(template.substitute(words))
        command = [string.Template(word).substitute(words) for word in origin.command]
        environment = {name: string.Template(value).substitute(words) for name, value in origin.environment}
        stack.enter_context(process(command, environment, directory, running.port))
        yield running


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str], directory: pathlib.Path, port: int) -> Iterator[None]:
    """Runs a server until the block ends; it listens when the block begins."""
    executable = shutil.which(command[0], path=installers.SEARCH_PATH)
    if not executable:
        raise RuntimeError(f"{command[0]} is not installed")
    said = (directory / f"{pathlib.Path(command[0]).name}.said").open("ab")
    child = subprocess.Popen(
        [executable, *command[1:]], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=directory,
        env=os.environ | {"HOME": str(directory), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )
    try:
        wait_until_it_listens(child, port, said.name)
        yield
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        said.close()


def wait_until_it_listens(child: subprocess.Popen, port: int, said: str) -> None:
    """Returns when the port takes connections."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{child.args[0]} does not listen:\n{pathlib.Path(said).read_text()}")


def free_port() -> int:
    """A port that nobody uses, from below those that connections take for themselves meanwhile."""
    while True:
        port = random.randrange(*PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
