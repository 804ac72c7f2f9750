"""The data of a comparison: single runs, and what they come to. Pure; what it makes is what the JSON file holds.

An entry is one scenario: `name`, `kind`, `description`, `layouts` (whether layouts of a gateway are compared, rather
than gateways), `sides` (one summary each), `ratios`, `notes`, `runs`; a latency scenario has `points`, a curve each.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from comparison.figures import Spread, cost_of, ratios
from comparison.scenarios import Layout, Scenario

# Above this share of a core, others on the machine may have decided the result.
FOREIGN_BUSY_MAX = 0.15
# From this share on, the generator's and the origin's core is what limits.
LOAD_BUSY_MAX = 0.95
# A gateway that answers less than this share of what is asked is full.
FULL = 0.95
# One that answers less than this will not answer more.
HOPELESS = 0.8
MEMORY_KINDS = ("rss", "pss", "private", "anonymous")


@dataclasses.dataclass(frozen=True)
class Side:
    """One of those that are compared: a contender in a layout, called `label`, measured against the side `base`."""

    label: str
    contender: str
    layout: Layout
    base: str | None


def sides_of(scenario: Scenario, contenders: Sequence[str], twice: bool) -> list[Side]:
    """The sides of a scenario. Peers are held against the first one; layouts against the same gateway's first one."""
    if twice:
        return [
            Side(
                f"{contenders[0]} {letter}",
                contenders[0],
                scenario.layouts[0],
                None if letter == "A" else f"{contenders[0]} A",
            )
            for letter in "AB"
        ]
    if len(scenario.layouts) == 1:
        return [
            Side(name, name, scenario.layouts[0], None if name == contenders[0] else contenders[0])
            for name in contenders
        ]
    first = scenario.layouts[0]
    return [
        Side(f"{name}, {layout}", name, layout, None if layout == first else f"{name}, {first}")
        for name in contenders
        for layout in scenario.layouts
    ]


def traffic_entry(scenario: Scenario, sides: Sequence[Side], runs: Sequence[dict], notes: Sequence[str]) -> dict:
    """The entry of a cpu or latency scenario."""
    entry = entry_of(scenario, runs, [*notes, *cautions(runs)])
    main = [run for run in runs if run["rate"] == scenario.rate]
    entry["sides"] = [traffic_summary(side, [run for run in main if run["side"] == side.label]) for side in sides]
    entry["ratios"] = {}
    for side in sides:
        if side.base is not None and (each := ratios(main, side.label, side.base)):
            entry["ratios"][side.label] = {"base": side.base, **Spread.of(each).as_dict(), "rounds": each}
    if scenario.kind == "latency":
        entry["rate"] = scenario.rate
        entry["points"] = {side.label: points(side, runs) for side in sides}
    return entry


def entry_of(scenario: Scenario, runs: Sequence[dict], notes: Sequence[str]) -> dict:
    return {
        "name": scenario.name,
        "kind": scenario.kind,
        "description": scenario.description,
        "connections": scenario.connections,
        "layouts": len(scenario.layouts) > 1,
        "notes": list(notes),
        "runs": list(runs),
    }


def traffic_summary(side: Side, runs: Sequence[dict]) -> dict:
    """One side's medians over its runs; the cost with its spread over single runs."""
    return {
        "label": side.label,
        "contender": side.contender,
        "layout": str(side.layout),
        "cost_us": Spread.of(run["cpu_us"] / run["requests"] for run in runs).as_dict(),
        **{
            key: middle(runs, key)
            for key in ("requests_per_second", "p50_us", "p99_us", "p999_us", "gateway_busy", "load_busy")
        },
        "errors": sum(failures(run) for run in runs),
    }


def points(side: Side, runs: Sequence[dict]) -> list[dict]:
    """The curve of latency over rate: one point for each rate, rising."""
    found = []
    for rate in sorted({run["rate"] for run in runs if run["side"] == side.label}):
        mine = [run for run in runs if run["side"] == side.label and run["rate"] == rate]
        found.append(
            {
                "rate": rate,
                "requests_per_second": middle(mine, "requests_per_second"),
                "cost_us": cost_of(mine),
                **{key: Spread.of(run[key] for run in mine).as_dict() for key in ("p50_us", "p99_us", "p999_us")},
                "load_busy": max(run["load_busy"] for run in mine),
            }
        )
    return found


def memory_entry(scenario: Scenario, sides: Sequence[Side], runs: Sequence[dict], notes: Sequence[str]) -> dict:
    """The entry of a memory scenario: bytes per connection."""
    entry = entry_of(scenario, runs, notes)
    entry["sides"] = []
    for side in sides:
        mine = [run for run in runs if run["side"] == side.label]
        each = {kind: Spread.of(run["per_connection"][kind] for run in mine).as_dict() for kind in MEMORY_KINDS}
        entry["sides"].append(
            {
                "label": side.label,
                "contender": side.contender,
                "layout": str(side.layout),
                "bytes_per_connection": each,
                "rss_before": Spread.of(run["before"]["rss"] for run in mine).as_dict(),
                "errors": 0,
            }
        )
    return entry


def is_full(run: Mapping, share: float = FULL) -> bool:
    """Whether the gateway answered less than `share` of the rate of this run, or of this point of a curve."""
    return run["requests_per_second"] < share * run["rate"]


def middle(runs: Sequence[dict], key: str) -> float | None:
    """The median of what the runs know of `key`; None when none of them does."""
    known = [run[key] for run in runs if run[key] is not None]
    return statistics.median(known) if known else None


def failures(run: dict) -> int:
    """Requests that went wrong. One that was never sent, because the rate was too high, is no fault of an answer."""
    return sum(count for kind, count in run["errors"].items() if kind != "late")


def cautions(runs: Sequence[dict]) -> list[str]:
    """What a reader of these runs must know before believing them."""
    found = []
    foreign = max(run["foreign_busy"] for run in runs)
    if foreign > FOREIGN_BUSY_MAX:
        found.append(f"busy machine: other processes took up to {foreign:.0%} of a core; trust only ratios, if those")
    full = sorted({run["side"] for run in runs if run["load_busy"] > LOAD_BUSY_MAX and run["rate"]})
    if full:
        found.append(f"generator and origin were the limit in some runs of {', '.join(full)}: hollow marks in the plot")
    return found


def has_errors(entries: Sequence[dict]) -> bool:
    return any(side["errors"] for entry in entries for side in entry["sides"])
