"""Results to draw and to print: made up, of every kind, with peers that differ a lot."""

from comparison.results import Side, memory_entry, sides_of, traffic_entry
from comparison.scenarios import Scenario, parse

TEXT = """
name = "{name}"
order = 1
kind = "{kind}"
description = "a \\"quoted\\" <sample> & more"
connections = 100
{more}
[request]
target = "/bytes/100"
[answer]
bytes = 100
"""


def scenario(kind: str = "cpu", name: str = "sample", more: str = "") -> Scenario:
    return parse(TEXT.format(kind=kind, name=name, more=more), name)


def run(side: str, round_: int = 1, cost: float = 10.0, rate: int = 0, **more: object) -> dict:
    """A run of 1,000 requests in which each cost `cost` µs."""
    return {
        "side": side,
        "round": round_,
        "rate": rate,
        "requests": 1000,
        "cpu_us": cost * 1000,
        "requests_per_second": rate or 9000.0,
        "p50_us": 20 * cost,
        "p99_us": 90 * cost,
        "p999_us": 200 * cost,
        "max_us": 900 * cost,
        "errors": {"read": 0},
        "gateway_busy": 0.9,
        "load_busy": 0.5,
        "foreign_busy": 0.01,
        **more,
    }


def cpu_entry(name: str = "sample", scale: float = 1.0) -> dict:
    played = scenario(name=name)
    sides = sides_of(played, ["nginx", "envoy", "ringway"], False)
    costs = {"nginx": 13.0, "envoy": 40.0, "ringway": 10.0}
    runs = [
        run(side.label, round_, costs[side.label] * scale * (1 + round_ / 50)) for round_ in (1, 2, 3) for side in sides
    ]
    return traffic_entry(played, sides, runs, [])


def layouts_entry() -> dict:
    played = scenario(name="workers", more='layouts = ["1", "2"]')
    sides = sides_of(played, ["nginx", "ringway"], False)
    return traffic_entry(played, sides, [run(side.label, 1, 10.0 + len(side.label)) for side in sides], ["a note"])


def latency_entry() -> dict:
    played = scenario("latency", "latency", "rate = 5000\nsweep = [1000, 20000]")
    sides = sides_of(played, ["nginx", "ringway"], False)
    runs = [
        run(side.label, 1, 10.0 if rate < 20000 else 500.0, rate, load_busy=rate / 20000)
        for rate in (1000, 5000, 20000)
        for side in sides
    ]
    return traffic_entry(played, sides, runs, [])


def memory_sample() -> dict:
    played = scenario("memory", "idle")
    sides = [Side("nginx", "nginx", played.layouts[0], None), Side("ringway", "ringway", played.layouts[0], "nginx")]
    sizes = {"rss": 900.0, "pss": 850.0, "private": 800.0, "anonymous": 790.0}
    runs = [{"side": side.label, "round": 1, "before": {"rss": 2**24}, "per_connection": sizes} for side in sides]
    return memory_entry(played, sides, runs, [])


def entries() -> list[dict]:
    return [cpu_entry(), cpu_entry("large", 40.0), layouts_entry(), latency_entry(), memory_sample()]
