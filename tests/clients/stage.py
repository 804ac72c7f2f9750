"""All actors of a run: upstreams, gateway, and where clients find them."""

import contextlib
import pathlib
import shutil
import subprocess

import install
from certificates import Certificates
from gateway import Gateway
from process import PATIENCE, Process
from upstreams import Calls, Sockets, dead_port


class Stage:
    """Everything is up when this is made; `close` ends it."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path) -> None:
        self.directory = directory
        with contextlib.ExitStack() as ends:
            self.certificates = Certificates(directory)
            self.origin = Process([shutil.which("node"), install.HERE / "node/origin.js"], "stdout")
            ends.callback(self.origin.stop)
            ports = self.origin.found(r"^ports (\d+) (\d+)$")
            self.calls, self.sockets = Calls(), Sockets()
            ends.callback(self.calls.stop)
            ends.callback(self.sockets.stop)
            nobody, dead = dead_port()
            ends.callback(nobody.close)
            upstreams = {"h1": ports[1], "h2c": ports[2], "grpc": self.calls.port, "sockets": self.sockets.port}
            self.gateway = Gateway(binary, self.certificates, {**upstreams, "dead": dead})
            ends.callback(self.gateway.process.stop)
            self.ends = ends.pop_all()

    def close(self) -> None:
        """Ends all actors."""
        self.ends.close()

    @property
    def ca(self) -> str:
        """The file with the authority's certificate."""
        return str(self.certificates.ca)

    def at(self, listener: str) -> str:
        """Host and port of a listener."""
        return f"localhost:{self.gateway.ports[listener]}"

    def url(self, listener: str, path: str = "") -> str:
        """The URL of a path on a listener."""
        return f"{'https' if listener == 'secure' else 'http'}://{self.at(listener)}{path}"

    def run(self, *command: object, sends: bytes = b"", fails: bool = False) -> tuple[bytes, str]:
        """Runs a client to its end: its standard output, and all that it said."""
        done = subprocess.run([str(part) for part in command], input=sends, capture_output=True, timeout=PATIENCE)
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert (done.returncode != 0) == fails, f"exit code {done.returncode}: {command}\n{said[-4000:]}"
        return done.stdout, said
