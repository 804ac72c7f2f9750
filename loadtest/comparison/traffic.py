"""Who asks and who answers: the load generators and the origins, two of each so that neither must be trusted.

`ringway-load` is the project's own; wrk and nginx check it. Here too: the proof that a gateway does the work that is
about to be counted, and the client whose connections rest.
"""

import contextlib
import dataclasses
import http.client
import json
import pathlib
import select
import socket
import string
import subprocess
from collections.abc import Iterator, Sequence
from typing import Protocol

from comparison.contenders import CONFIGS
from comparison.figures import Failure
from comparison.processes import ROOT, Process, find, need
from comparison.scenarios import Scenario

# Where cargo puts it: with the target directory that README.md names, and with its default one.
RINGWAY_LOAD = tuple(ROOT / place / "release/ringway-load" for place in ("target/loadtest", "loadtest/target"))
ANSWER_SECONDS_MAX = 10
SMALL_BYTES = 100
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

    name: str
    open_loop: bool

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
        script.write_text(string.Template((CONFIGS / "wrk.lua.template").read_text()).substitute(values))
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


class RingwayLoad:
    """The project's own generator: closed or open loop, latencies from the intended moment of sending."""

    name, open_loop = "ringway-load", True

    def command(self, job: Job, directory: pathlib.Path) -> list[str]:
        scenario = job.scenario
        command = [ringway_load(), "run", f"http://127.0.0.1:{job.port}{scenario.target}", "--quiet", "--json", "-"]
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
        return said_version(ringway_load(), "--version")


def ringway_load() -> str:
    """The path of the project's own generator and origin."""
    for path in RINGWAY_LOAD:
        if path.exists():
            return str(path)
    raise Failure(
        "ringway-load is not built: cargo build --release --manifest-path loadtest/Cargo.toml --target-dir "
        "target/loadtest (or --generator wrk --origin nginx)"
    )


def has_tool(name: str) -> bool:
    """Whether the generator or origin called `name` is there."""
    return any(path.exists() for path in RINGWAY_LOAD) if name == "ringway-load" else find(name) is not None


def said_version(*command: str) -> str:
    """The first two words of what a program says of its version: its name and the number."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return " ".join((done.stdout + done.stderr).removeprefix("nginx version: ").split()[:2])


def generator_named(name: str) -> Generator:
    return Wrk() if name == "wrk" else RingwayLoad()


# ------------------------------------------------------------------------------------------------ origins


def origin(name: str, scenario: Scenario, directory: pathlib.Path, port: int, cores: Sequence[int]) -> Process:
    """The origin called `name`, not yet started, that answers what `scenario` asks for."""
    if name == "ringway-load":
        return Process([ringway_load(), "origin", "--listen", f"127.0.0.1:{port}"], cores, port)
    home = directory / "origin"
    (home / "bytes").mkdir(parents=True)
    (home / "bytes" / str(scenario.answer_bytes)).write_bytes(b"b" * scenario.answer_bytes)
    fields = MORE_FIELDS[: scenario.answer_headers]
    lines = [f"add_header {field} {json.dumps(value)};" for field, value in fields]
    values = {
        "directory": home,
        "origin_port": port,
        "small_body": "s" * SMALL_BYTES,
        "more_headers": "\n            ".join(lines),
    }
    config = home / "origin.conf"
    config.write_text(string.Template((CONFIGS / "origin.conf.template").read_text()).substitute(values))
    return Process([need("nginx"), "-e", "stderr", "-p", str(home), "-c", str(config)], cores, port)


def origin_version(name: str) -> str:
    return said_version(need("nginx"), "-v") if name == "nginx" else said_version(ringway_load(), "--version")


# ------------------------------------------------------------------------------------------------ the proof


def check_answers(port: int, who: str, scenario: Scenario) -> None:
    """Fails unless the gateway really does the work that is about to be counted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
    with contextlib.closing(connection):
        for _ in range(2):
            ask(connection, who, scenario)
        if scenario.routes:
            status, _, _ = exchange(connection, "GET", "/api/service-none/items/42", scenario)
            if status != 404:
                raise Failure(f"{who} answers {status} to a path that no route takes: its table is not the scenario's")


def ask(connection: http.client.HTTPConnection, who: str, scenario: Scenario) -> None:
    status, length, fields = exchange(connection, scenario.method, scenario.target, scenario)
    if status != 200 or length != scenario.answer_bytes:
        raise Failure(f"{who} answered {status} with {length} bytes to {scenario.target}")
    if len(fields) < scenario.answer_headers:
        raise Failure(f"{who} passed on {len(fields)} fields of an answer that has {scenario.answer_headers} more")
    if scenario.keep_alive and fields.get("connection", "").lower() == "close":
        raise Failure(f"{who} closes connections that the scenario keeps")


def exchange(
    connection: http.client.HTTPConnection, method: str, target: str, scenario: Scenario
) -> tuple[int, int, dict[str, str]]:
    """One exchange: the answer's status, its length, and its fields by their names in small letters."""
    headers = dict(scenario.headers)
    if not scenario.keep_alive:
        headers["connection"] = "close"
    body = b"x" * scenario.body_bytes if scenario.body_bytes and method == scenario.method else None
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        length = len(answer.read())
    except (OSError, http.client.HTTPException) as problem:
        raise Failure(f"no answer to {target}: {problem!r}") from None
    return answer.status, length, {field.lower(): value for field, value in answer.getheaders()}


# ------------------------------------------------------------------------------------------------ resting clients

BATCH = 100


@contextlib.contextmanager
def resting_connections(port: int, scenario: Scenario, count: int) -> Iterator[list[socket.socket]]:
    """Opens `count` connections that make one request each, a hundred at a time, and then stay silent and open."""
    lines = [f"{scenario.method} {scenario.target} HTTP/1.1", f"host: 127.0.0.1:{port}"]
    lines += [f"{field}: {value}" for field, value in scenario.headers]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    clients: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for start in range(0, count, BATCH):
            batch = []
            for _ in range(min(BATCH, count - start)):
                client = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
                batch.append(stack.enter_context(client))
                client.sendall(request)
            for client in batch:
                read_answer(client, scenario.answer_bytes)
            clients += batch
        yield clients


def check_resting(clients: Sequence[socket.socket], who: str) -> None:
    """Fails when a connection of `clients` has ended or says something: what was measured was not rest then."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN | select.POLLRDHUP)
    stirred = len(poll.poll(0))
    if stirred:
        raise Failure(f"{who} did not let {stirred} of {len(clients)} connections rest")


def read_answer(client: socket.socket, answer_bytes: int) -> None:
    """Reads one answer to its end. Its length is known, so the end is where a head and that many bytes have come."""
    got = b""
    while True:
        piece = client.recv(65536)
        if not piece:
            raise Failure("a gateway closed a connection that was to rest")
        got += piece
        head, end, body = got.partition(b"\r\n\r\n")
        if end and len(body) >= answer_bytes:
            break
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"a gateway answered {head[:40]!r}")
