"""The gateway under test: its configuration, its process, its access log."""

import json
import pathlib
import re
import signal
import subprocess
import threading

# Some servers never answer what they do not like.
CONFIG = """
[server]
workers = 1
[defaults]
timeouts = {{ first_byte = "3s" }}
[access_log]
file = "{log}"
[listeners.web]
address = "127.0.0.1:0"
[routes.all]
path = "/*"
upstream = {{ endpoints = ["http://127.0.0.1:{port}"] }}
"""
STOP_SECONDS_MAX = 40


class Gateway:
    """A running gateway in front of one origin."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path, origin_port: int) -> None:
        self.log = directory / "access.log"
        config = directory / "ringway.toml"
        config.write_text(CONFIG.format(log=self.log, port=origin_port))
        self.process = subprocess.Popen([binary, "run", config], stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self.port = self._port()
        threading.Thread(target=self._listen, daemon=True).start()

    def _port(self) -> int:
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"listening listener=web .*?address=127\.0\.0\.1:(\d+)", line):
                return int(found[1])
        raise RuntimeError("the gateway did not start:\n" + "".join(self.said))

    def _listen(self) -> None:
        for line in self.process.stderr:
            self.said.append(line)

    def stop(self) -> None:
        """Lets it finish; what it has logged is complete then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def entries(self) -> dict[str, list[dict]]:
        """What it logged, by the client's address, in order."""
        found: dict[str, list[dict]] = {}
        with self.log.open() as lines:
            for line in lines:
                entry = json.loads(line)
                found.setdefault(entry["client"], []).append(entry)
        return found
