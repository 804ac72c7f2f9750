"""The load generators: the project's own, and wrk to check it by, so that neither must be trusted."""

import dataclasses
import json
import pathlib
import re
from typing import Protocol

from comparison.contenders import filled
from comparison.figures import Failure
from comparison.processes import need, said_version
from comparison.scenarios import GRPC_PREFIX_BYTES, H2, Scenario

ANSWER_SECONDS_MAX = 10
# All generators offer these alone: a gateway that would choose others by itself would do other work.
TLS_CIPHER, TLS_GROUP = "TLS_AES_128_GCM_SHA256", "X25519"
GRPC_FIELDS = (("content-type", "application/grpc"), ("te", "trailers"))
H2LOAD_SAYS = {
    "rate": r"finished in [0-9.]+\w+, ([0-9.]+) req/s",
    "succeeded": r"(\d+) succeeded",
    "failed": r"(\d+) failed",
    "errored": r"(\d+) errored",
    "timeout": r"(\d+) timeout",
    "moved": r"(\d+) 3xx",
    "bytes": r"\((\d+)\) data",
}


@dataclasses.dataclass(frozen=True)
class Job:
    """What one generator process does: `rate` 0 is a closed loop, else requests per second. With `requests` it sends so
    many instead of loading for `seconds`."""

    scenario: Scenario
    port: int
    connections: int
    seconds: float
    rate: int = 0
    requests: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.scenario.protocols.tls else 'http'}://127.0.0.1:{self.port}{self.scenario.target}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one generator process saw. Latencies in µs; one that the generator does not know is None."""

    requests: int
    seconds: float
    p50_us: float | None
    p99_us: float | None
    p999_us: float | None
    max_us: float | None
    errors: dict[str, int]
    # Open loop: how late 1 % of the requests left at least; a part of the latencies that is the generator's own.
    send_late_us: float | None = None
    # Of all answers together, where the generator does not hold each against the scenario itself.
    body_bytes: int | None = None
    full_handshakes: int | None = None


class Generator(Protocol):
    """Something that loads a gateway."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def cannot(self, scenario: Scenario) -> str | None:
        """What of the scenario it does not know how to do, in two or three words; None when it can play it."""

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        """The command of one run; files that it reads go into `directory`."""

    def outcome(self, printed: str) -> Outcome:
        """What a run's standard output says."""

    def version(self) -> str:
        """Its name and version."""


class Wrk:
    """wrk from Debian: a closed loop whose latencies are those at saturation."""

    name = "wrk"

    def cannot(self, scenario: Scenario) -> str | None:
        missing = {
            "open loop": scenario.rate,
            "HTTP/2": scenario.protocols.downstream == H2,
            "resumption": scenario.resume,
        }
        return next((what for what, needed in missing.items() if needed), None)

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        scenario = job.scenario
        headers = [*scenario.headers, *([] if scenario.keep_alive else [("connection", "close")])]
        # JSON's strings are Lua's too, as long as they are ASCII.
        lines = "\n".join(f"wrk.headers[{json.dumps(field)}] = {json.dumps(value)}" for field, value in headers)
        values = {"method": scenario.method, "body_bytes": scenario.body_bytes, "headers": lines}
        script = directory / "wrk.lua"
        script.write_text(filled("wrk.lua", values), encoding="ascii")
        return [
            need("wrk"),
            "-t1",
            f"-c{job.connections}",
            f"-d{job.seconds:g}s",
            "--timeout",
            f"{ANSWER_SECONDS_MAX}s",
            "-s",
            str(script),
            job.url,
        ]

    def outcome(self, printed: str) -> Outcome:
        lines = [line for line in printed.splitlines() if line.startswith("RESULT ")]
        if not lines:
            raise Failure(f"wrk did not report: {printed}")
        said = json.loads(lines[0].removeprefix("RESULT "))
        return Outcome(
            said["requests"],
            said["seconds"],
            said["p50_us"],
            said["p99_us"],
            said["p999_us"],
            said["max_us"],
            {"any": said["errors"]},
        )

    def version(self) -> str:
        return said_version(need("wrk"), "-v")


class H2load:
    """h2load from Debian, of the nghttp2 project: a closed loop, also over TLS and HTTP/2. It looks at no trailers."""

    name = "h2load"

    def cannot(self, scenario: Scenario) -> str | None:
        missing = {"open loop": scenario.rate, "new connections": not scenario.keep_alive}
        return next((what for what, needed in missing.items() if needed), None)

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        scenario = job.scenario
        command = [need("h2load"), "-c", str(job.connections), "-m", str(scenario.streams)]
        command += ["-n", str(job.requests)] if job.requests else ["-D", f"{round(job.seconds * 1000)}ms", "--warm-up-time", "0s"]
        command += ["--tls13-ciphers", TLS_CIPHER, "--groups", TLS_GROUP]
        if scenario.protocols.downstream != H2:
            command += ["--h1"]
        for field, value in [*scenario.headers, *(GRPC_FIELDS if scenario.grpc else ())]:
            command += ["-H", f"{field}: {value}"]
        if scenario.body_bytes:
            body = directory / "h2load.body"
            body.write_bytes(grpc_message(scenario.body_bytes) if scenario.grpc else b"x" * scenario.body_bytes)
            command += ["-d", str(body)]
        return [*command, job.url]

    def outcome(self, printed: str) -> Outcome:
        found = {name: re.search(pattern, printed) for name, pattern in H2LOAD_SAYS.items()}
        if not all(found.values()):
            raise Failure(f"h2load did not report: {printed}")
        said = {name: float(match[1]) for name, match in found.items() if match}
        # A redirection is success to it. Answers that the run's end cuts short have a status and are not done.
        right = int(said["succeeded"] - said["moved"])
        wrong = {kind: int(said[kind]) for kind in ("failed", "errored", "timeout", "moved")}
        seconds = said["succeeded"] / said["rate"] if said["rate"] else 0.0
        return Outcome(right, seconds, None, None, None, None, wrong, body_bytes=int(said["bytes"]))

    def version(self) -> str:
        return said_version(need("h2load"), "--version")


def grpc_message(size: int) -> bytes:
    """One message, not compressed, that takes `size` bytes with its prefix."""
    return b"\0" + (size - GRPC_PREFIX_BYTES).to_bytes(4) + b"x" * (size - GRPC_PREFIX_BYTES)


@dataclasses.dataclass(frozen=True)
class RingwayLoad:
    """The project's own generator: closed or open loop, latencies from the intended moment of sending."""

    binary: str
    name: str = "ringway-load"

    def cannot(self, _scenario: Scenario) -> str | None:
        return None

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        scenario = job.scenario
        command = [self.binary, "run", job.url, "--quiet", "--json", "-", "--connections", str(job.connections)]
        if job.requests:
            command += ["--requests", str(job.requests)]
        else:
            command += ["--duration", f"{job.seconds:g}s", "--warmup", "0s"]
        if scenario.protocols.tls:
            command += ["--insecure"]
        if scenario.resume:
            command += ["--tls-resume"]
        if scenario.protocols.downstream == H2:
            command += ["--h2", "--streams", str(scenario.streams)]
        if scenario.grpc:
            command += ["--grpc"]
        command += ["--timeout", f"{ANSWER_SECONDS_MAX}s", "--method", scenario.method, "--expect-status", "200"]
        command += ["--expect-bytes", str(scenario.answer_bytes)]
        if scenario.body_bytes:
            command += ["--body-bytes", str(scenario.body_bytes)]
        if not scenario.keep_alive:
            command += ["--new-connections"]
        if job.rate:
            command += ["--rate", str(job.rate)]
        for field, value in scenario.headers:
            command += ["--header", f"{field}: {value}"]
        return command

    def outcome(self, printed: str) -> Outcome:
        try:
            said = json.loads(printed)
            latency = said["latency_us"]
            return Outcome(
                said["requests"],
                said["seconds"],
                latency["p50"],
                latency["p99"],
                latency["p999"],
                latency["max"],
                said["errors"],
                (said.get("send_late_us") or {}).get("p99"),
                full_handshakes=said["handshakes"]["full"],
            )
        except (ValueError, KeyError) as problem:
            raise Failure(f"ringway-load did not report: {problem}: {printed[:500]}") from None

    def version(self) -> str:
        return said_version(self.binary, "--version")
