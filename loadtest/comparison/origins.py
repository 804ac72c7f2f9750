"""The origins: the project's own, and nginx to check it by. Both answer the same targets with the same lengths."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Protocol

from comparison.contenders import filled
from comparison.processes import Process, need, said_version
from comparison.scenarios import H2C, Scenario

SMALL_BODY = "s" * 100
MORE_FIELDS = (
    ("cache-control", "private, max-age=60"),
    ("etag", '"5f3c-1a2b3c4d5e6f"'),
    ("vary", "accept-encoding, accept-language"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("content-language", "en-GB"),
)


class Origin(Protocol):
    """Something that answers what a scenario asks for."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def process(self, scenario: Scenario, directory: pathlib.Path, port: int, cores: Sequence[int]) -> Process:
        """The origin on `port`, not yet started; files that it reads go into `directory`."""

    def version(self) -> str:
        """Its name and version."""


@dataclasses.dataclass(frozen=True)
class RingwayOrigin:
    """`ringway-load origin`."""

    binary: str
    name: str = "ringway-load"

    def process(self, _scenario: Scenario, _directory: pathlib.Path, port: int, cores: Sequence[int]) -> Process:
        return Process([self.binary, "origin", "--listen", f"127.0.0.1:{port}"], cores, port)

    def version(self) -> str:
        return said_version(self.binary, "--version")


class NginxOrigin:
    """nginx from Debian, with files for the long answers."""

    name = "nginx"

    def process(self, scenario: Scenario, directory: pathlib.Path, port: int, cores: Sequence[int]) -> Process:
        home = directory / "origin"
        (home / "bytes").mkdir(parents=True)
        (home / "bytes" / str(scenario.answer_bytes)).write_bytes(b"b" * scenario.answer_bytes)
        fields = MORE_FIELDS[: scenario.answer_headers]
        answer = f'return 200 "{SMALL_BODY}";'
        values = {
            "directory": home,
            "origin_port": port,
            "listen_options": " http2" if scenario.protocols.upstream == H2C else "",
            "small_body": SMALL_BODY,
            "small_answer": "proxy_pass http://after_body;" if scenario.body_bytes else answer,
            "more_headers": "\n            ".join(
                f"add_header {field} {json.dumps(value)};" for field, value in fields
            ),
        }
        config = home / "origin.conf"
        config.write_text(filled("origin.conf", values), encoding="utf-8")
        return Process([need("nginx"), "-e", "stderr", "-p", str(home), "-c", str(config)], cores, port)

    def version(self) -> str:
        return said_version(need("nginx"), "-v")
