"""The load generators: the project's own, and wrk to check it by, so that neither must be trusted."""

import dataclasses
import json
import pathlib
from typing import Protocol

from comparison.contenders import filled
from comparison.figures import Failure
from comparison.processes import need, said_version
from comparison.scenarios import Scenario

ANSWER_SECONDS_MAX = 10


@dataclasses.dataclass(frozen=True)
class Job:
    """What one generator process does: `rate` 0 is a closed loop, else requests per second."""

    scenario: Scenario
    port: int
    connections: int
    seconds: float
    rate: int = 0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one generator process saw. Latencies in µs; one that the generator does not know is None."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    p999_us: float | None
    max_us: float
    errors: dict[str, int]
    # Open loop: how late 1 % of the requests left at least; a part of the latencies that is the generator's own.
    send_late_us: float | None = None


class Generator(Protocol):
    """Something that loads a gateway."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def open_loop(self) -> bool:
        """Whether it can send at a rate of its own."""

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        """The command of one run; files that it reads go into `directory`."""

    def outcome(self, printed: str) -> Outcome:
        """What a run's standard output says."""

    def version(self) -> str:
        """Its name and version."""


class Wrk:
    """wrk from Debian: a closed loop whose latencies are those at saturation."""

    name, open_loop = "wrk", False

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
            f"http://127.0.0.1:{job.port}{scenario.target}",
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


@dataclasses.dataclass(frozen=True)
class RingwayLoad:
    """The project's own generator: closed or open loop, latencies from the intended moment of sending."""

    binary: str
    name: str = "ringway-load"
    open_loop: bool = True

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        scenario = job.scenario
        command = [self.binary, "run", f"http://127.0.0.1:{job.port}{scenario.target}", "--quiet", "--json", "-"]
        command += ["--connections", str(job.connections), "--duration", f"{job.seconds:g}s", "--warmup", "0s"]
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
            )
        except (ValueError, KeyError) as problem:
            raise Failure(f"ringway-load did not report: {problem}: {printed[:500]}") from None

    def version(self) -> str:
        return said_version(self.binary, "--version")
