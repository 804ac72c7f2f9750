"""The gateway under test: listeners of each kind, and routes to upstreams of each kind."""

import json
import pathlib
import re

from certificates import Certificates
from process import Process, eventually

CONFIG = """
[server]
workers = 2
drain_timeout = "1s"

[access_log]
file = "{directory}/access.log"

[listeners.web]
address = "127.0.0.1:0"

[listeners.clear]
address = "127.0.0.1:0"
protocols = ["h2", "http/1.1"]

[listeners.secure]
address = "127.0.0.1:0"
tls = "edge"

[tls.edge]
certificates = [{{ cert = "server.pem", key = "server.key" }}]

[upstreams]
h1 = {{ endpoints = ["http://127.0.0.1:{h1}"] }}
h2c = {{ endpoints = ["http://127.0.0.1:{h2c}"], protocol = "h2c" }}
grpc = {{ endpoints = ["http://127.0.0.1:{grpc}"], protocol = "h2c" }}
dead = {{ endpoints = ["http://127.0.0.1:{dead}"], protocol = "h2c" }}
sockets = {{ endpoints = ["http://127.0.0.1:{sockets}"] }}

[routes]
h1 = {{ path = "/h1/*", upstream = "h1", rewrite = {{ prefix = "/" }} }}
h2c = {{ path = "/h2c/*", upstream = "h2c", rewrite = {{ prefix = "/" }} }}
grpc = {{ path = "/clients.Echo/*", upstream = "grpc" }}
dead = {{ path = "/clients.Dead/*", upstream = "dead" }}
sockets = {{ path = "/ws", upstream = "sockets" }}
"""


class Gateway:
    """A running gateway; `ports` are those of its listeners."""

    def __init__(self, binary: pathlib.Path, certificates: Certificates, upstreams: dict[str, int]) -> None:
        directory = certificates.directory
        self.log = directory / "access.log"
        config = directory / "ringway.toml"
        config.write_text(CONFIG.format(directory=directory, **upstreams))
        self.process = Process([binary, "run", config], "stderr")
        self.ports = {name: self._port(name) for name in ("web", "clear", "secure")}

    def _port(self, listener: str) -> int:
        return int(self.process.found(rf"listening listener={listener} .*?address=127\.0\.0\.1:(\d+)")[1])

    def entries(self, path: str) -> list[dict]:
        """What it logged for this path."""
        entries = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [entry for entry in entries if entry["path"] == path]

    def await_entry(self, path: str, **has: object) -> None:
        """Waits for an entry for `path` that has these values."""
        wanted = has.items()
        eventually(f"{path} {has}", lambda: any(wanted <= flat(entry).items() for entry in self.entries(path)))

    def complaints(self) -> list[str]:
        """Lines that speak of a panic."""
        return [line for line in self.process.lines if re.search("panick|ERROR", line)]


def flat(entry: dict) -> dict:
    """Without what cannot be compared by hash."""
    return {name: value for name, value in entry.items() if not isinstance(value, (dict, list))}
