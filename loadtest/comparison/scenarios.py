"""Scenarios: TOML files become checked values, or one complaint that names the file and the key."""

import dataclasses
import pathlib
import re
import tomllib
from typing import Any

from comparison.figures import Failure

KINDS = ("cpu", "latency", "memory")
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
    }
    for complaint, holds in complaints.items():
        if holds:
            raise Failure(f"{name}: {complaint}")


def read_all(directory: pathlib.Path) -> dict[str, Scenario]:
    """All scenarios of `directory` by name, in their order."""
    found = [parse(path.read_text(encoding="utf-8"), path.stem) for path in sorted(directory.glob("*.toml"))]
    return {scenario.name: scenario for scenario in sorted(found, key=lambda scenario: (scenario.order, scenario.name))}
