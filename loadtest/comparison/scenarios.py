"""Scenarios: TOML files become checked values, or one complaint that names the file and the key."""

import dataclasses
import pathlib
import re
import tomllib
from typing import Any

from comparison.figures import Failure

KINDS = ("cpu", "latency", "memory")
HTTP1, H2, H2C = "http/1.1", "h2", "h2c"
STREAMS_MAX = 100
# In front of each gRPC message: whether it is compressed, and its length.
GRPC_PREFIX_BYTES = 5
CONNECTIONS_MAX = 100_000
BODY_BYTES_MAX = 64 << 20
ROUTES_MAX = 100_000
RATE_MAX = 10_000_000
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a gateway is spread: `processes` of `workers` each. Written "2" (one process) or "2x1"."""

    processes: int
    workers: int

    @classmethod
    def parse(cls, text: str) -> "Layout | None":
        found = re.fullmatch(r"(?:([1-9]\d?)x)?([1-9]\d?)", text)
        return cls(int(found[1] or 1), int(found[2])) if found else None

    @property
    def cores(self) -> int:
        return self.processes * self.workers

    def __str__(self) -> str:
        many = "s" if self.workers > 1 else ""
        return (
            f"{self.processes} × {self.workers} worker{many}" if self.processes > 1 else f"{self.workers} worker{many}"
        )


@dataclasses.dataclass(frozen=True)
class Protocols:
    """What a gateway speaks: HTTP/1.1 or HTTP/2, with clients with TLS or without, with the origin always without."""

    tls: bool
    downstream: str
    upstream: str


PLAIN = Protocols(False, HTTP1, HTTP1)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One kind of traffic: what each connection asks for, over and over. Rates are requests per second."""

    name: str
    order: int
    kind: str
    description: str
    connections: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body_bytes: int
    answer_bytes: int
    answer_headers: int
    keep_alive: bool
    routes: int
    rate: int
    sweep: tuple[int, ...]
    layouts: tuple[Layout, ...]
    protocols: Protocols = PLAIN
    # Requests at a time on one connection of HTTP/2.
    streams: int = 1
    # Connections that are not kept resume the session of the one before.
    resume: bool = False
    # The body is one gRPC message, and the answer ends with a status in its trailers.
    grpc: bool = False

    @property
    def cores(self) -> int:
        """The cores that the widest layout takes."""
        return max(layout.cores for layout in self.layouts)


class Table:
    """A TOML table that is read key by key; `done` refuses what nobody asked for."""

    def __init__(self, values: dict[str, Any], where: str):
        self.values, self.where = dict(values), where
        self.known: list[str] = []

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of `key`, which must be there unless it has a default."""
        self.known.append(key)
        if key not in self.values:
            if default is None:
                raise Failure(f"{self.where}: {key} is missing")
            return default
        value = self.values.pop(key)
        # bool is an int to Python, and is none to a reader.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Failure(f"{self.where}: {key} must be of type {kind.__name__}, not {value!r}")
        return value

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        value = self.take(key, int, default)
        if not low <= value <= high and value != default:
            raise Failure(f"{self.where}: {key} must be from {low} to {high}, not {value}")
        return value

    def table(self, key: str, default: dict | None = None) -> "Table":
        return Table(self.take(key, dict, default), f"{self.where}: [{key}]")

    def done(self) -> None:
        for key in self.values:
            raise Failure(f"{self.where}: unknown key {key!r}; it takes {', '.join(self.known)}")


def parse(text: str, name: str) -> Scenario:
    """The scenario in `text`; `name` is the file's name without its ending, which it must call itself."""
    try:
        top = Table(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"{name}: {error}") from None
    request, answer = top.table("request"), top.table("answer")
    scenario = Scenario(
        name=top.take("name", str),
        order=top.number("order", 1, 1000),
        kind=top.take("kind", str),
        description=top.take("description", str),
        connections=top.number("connections", 1, CONNECTIONS_MAX),
        method=request.take("method", str, "GET"),
        target=request.take("target", str),
        headers=fields(request.table("headers", {})),
        body_bytes=request.number("body_bytes", 0, BODY_BYTES_MAX, 0),
        answer_bytes=answer.number("bytes", 0, BODY_BYTES_MAX),
        answer_headers=answer.number("headers", 0, 50, 0),
        keep_alive=top.take("keep_alive", bool, True),
        routes=top.number("routes", 1, ROUTES_MAX, 0),
        rate=top.number("rate", 1, RATE_MAX, 0),
        sweep=rates(top),
        layouts=layouts(top),
        protocols=Protocols(
            top.take("tls", bool, False), top.take("protocol", str, HTTP1), top.take("upstream", str, HTTP1)
        ),
        streams=top.number("streams", 2, STREAMS_MAX, 1),
        resume=top.take("resume", bool, False),
        grpc=request.take("grpc", bool, False),
    )
    for table in (top, request, answer):
        table.done()
    check(scenario, name)
    return scenario


def fields(table: Table) -> tuple[tuple[str, str], ...]:
    """Request fields, which go into a request as they are: nothing in them may end a line."""
    found = []
    for field in list(table.values):
        value = table.take(field, str)
        if not TOKEN.fullmatch(field) or not value.isprintable() or not value.isascii():
            raise Failure(f"{table.where}: {field!r} is no request field")
        found.append((field, value))
    return tuple(found)


def rates(top: Table) -> tuple[int, ...]:
    values = top.take("sweep", list, [])
    if not all(type(rate) is int and 1 <= rate <= RATE_MAX for rate in values) or values != sorted(set(values)):
        raise Failure(f"{top.where}: sweep must be rising rates from 1 to {RATE_MAX}")
    return tuple(values)


def layouts(top: Table) -> tuple[Layout, ...]:
    texts = top.take("layouts", list, ["1"])
    parsed = [Layout.parse(text) if isinstance(text, str) else None for text in texts]
    if not parsed or None in parsed or len(set(parsed)) < len(parsed):
        raise Failure(f'{top.where}: layouts must be different ones like "1", "2" or "2x1", not {texts!r}')
    return tuple(layout for layout in parsed if layout)


def check(scenario: Scenario, name: str) -> None:
    """What only shows when the keys are seen together."""
    complaints = {
        f"it calls itself {scenario.name!r}": scenario.name != name,
        f"kind must be one of {', '.join(KINDS)}": scenario.kind not in KINDS,
        "the target must begin with / and have no space": not re.fullmatch(r"/[!-~]*", scenario.target),
        "the method must be a token in capitals": not re.fullmatch(r"[A-Z]+", scenario.method),
        "a latency scenario needs a rate, and no other has one": (scenario.kind == "latency") != (scenario.rate > 0),
        "only a latency scenario has a sweep": scenario.kind != "latency" and scenario.sweep != (),
        "only a cpu scenario has layouts": scenario.kind != "cpu" and scenario.layouts != (Layout(1, 1),),
        "connections must be a multiple of the cores of the widest layout": scenario.connections % scenario.cores != 0,
        "an idle connection is a kept one": scenario.kind == "memory" and not scenario.keep_alive,
        **protocol_complaints(scenario),
    }
    for complaint, holds in complaints.items():
        if holds:
            raise Failure(f"{name}: {complaint}")


def protocol_complaints(scenario: Scenario) -> dict[str, bool]:
    spoken, is_h2 = scenario.protocols, scenario.protocols.downstream == H2
    return {
        f"protocol must be {HTTP1} or {H2}": spoken.downstream not in (HTTP1, H2),
        f"upstream must be {HTTP1} or {H2C}": spoken.upstream not in (HTTP1, H2C),
        "only HTTP/2 has streams": scenario.streams > 1 and not is_h2,
        "a scenario of HTTP/2 keeps its connections, and is one of kind cpu": is_h2
        and (scenario.kind != "cpu" or not scenario.keep_alive),
        "only sessions of TLS resume, on connections that are not kept": scenario.resume
        and (not spoken.tls or scenario.keep_alive),
        # nginx has no other way from HTTP/2 to HTTP/2.
        "gRPC is a POST over HTTP/2, on both sides, and only that has an upstream of HTTP/2": scenario.grpc
        != (spoken.upstream == H2C)
        or (scenario.grpc and (not is_h2 or scenario.method != "POST" or scenario.body_bytes < GRPC_PREFIX_BYTES)),
    }


def read_all(directory: pathlib.Path) -> dict[str, Scenario]:
    """All scenarios of `directory` by name, in their order."""
    found = [parse(path.read_text(encoding="utf-8"), path.stem) for path in sorted(directory.glob("*.toml"))]
    return {scenario.name: scenario for scenario in sorted(found, key=lambda scenario: (scenario.order, scenario.name))}
