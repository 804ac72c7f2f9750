"""The pictures of a comparison, from its entries: cost by scenario, latency over throughput, memory, layouts. Pure."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from comparison.results import LOAD_BUSY_MAX, is_full
from comparison.svg import (
    COLOURS,
    SHAPES,
    Drawing,
    colour_of,
    digits,
    duration,
    legend,
    linear_ticks,
    log_ticks,
    text_width,
)

WIDTH = 960
TOP = 92
PLOT_HEIGHT = 300
LEFT = 74
PANEL_GAP = 66
# A group this many times above the middle one gets an axis of its own.
OUTLIER = 4


@dataclasses.dataclass(frozen=True)
class Bar:
    """One bar: the series it belongs to, its height, and its spread."""

    series: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, series: str, spread: Mapping[str, float], unit: float = 1) -> "Bar":
        return cls(series, spread["median"] / unit, spread["min"] / unit, spread["max"] / unit)


@dataclasses.dataclass(frozen=True)
class Group:
    """Bars that stand together, with what is written below them."""

    label: str
    bars: tuple[Bar, ...]

    @property
    def highest(self) -> float:
        return max(bar.high for bar in self.bars)


def pictures(entries: Sequence[dict], where: str) -> dict[str, str]:
    """All pictures that `entries` allow, by file name. `where` says on what machine they were measured."""
    found = {}
    costs = [entry for entry in entries if entry["kind"] == "cpu" and not entry["layouts"]]
    if costs:
        found["cpu.svg"] = cpu_picture(costs, where)
    for entry in entries:
        name = "" if sum(other["kind"] == entry["kind"] for other in entries) == 1 else f"-{entry['name']}"
        if entry["layouts"]:
            found[f"layouts-{entry['name']}.svg"] = layouts_picture(entry, where)
        if entry["kind"] == "latency":
            found[f"latency{name}-at-{entry['rate']}.svg"] = rate_picture(entry, where)
            if any(len(points) > 1 for points in entry["points"].values()):
                found[f"latency{name}.svg"] = latency_picture(entry, where)
        if entry["kind"] == "memory":
            found[f"memory{name}.svg"] = memory_picture(entry, where)
    return found


def cpu_picture(entries: Sequence[dict], where: str) -> str:
    groups = [
        Group(entry["name"], tuple(Bar.of(side["label"], side["cost_us"]) for side in entry["sides"]))
        for entry in entries
    ]
    return bar_picture(
        "CPU time per request",
        "lower is better; bars are medians, whiskers all runs",
        "µs of CPU per request",
        groups,
        where,
    )


def layouts_picture(entry: dict, where: str) -> str:
    names = dict.fromkeys(side["contender"] for side in entry["sides"])
    groups = [
        Group(
            name, tuple(Bar.of(side["layout"], side["cost_us"]) for side in entry["sides"] if side["contender"] == name)
        )
        for name in names
    ]
    return bar_picture(
        "CPU time per request, by workers",
        "lower is better; equal bars say that workers do not hinder each other",
        "µs of CPU per request",
        groups,
        where,
    )


def rate_picture(entry: dict, where: str) -> str:
    """The percentiles at the scenario's own rate."""
    at = {
        label: point for label, points in entry["points"].items() for point in points if point["rate"] == entry["rate"]
    }
    groups = [
        Group(text, tuple(Bar.of(label, point[key]) for label, point in at.items()))
        for text, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p999", "p999_us"))
    ]
    return bar_picture(
        f"Latency at {entry['rate']:,} requests/s",
        f"lower is better; open loop, {entry['connections']} connections, from the intended moment of sending",
        "latency, µs",
        groups,
        where,
    )


def memory_picture(entry: dict, where: str) -> str:
    kinds = {"private": "private", "anonymous": "anonymous", "pss": "PSS", "rss": "RSS"}
    groups = [
        Group(text, tuple(Bar.of(side["label"], side["bytes_per_connection"][kind], 1024) for side in entry["sides"]))
        for kind, text in kinds.items()
    ]
    return bar_picture(
        f"Memory per idle connection ({entry['connections']:,} connections)",
        "lower is better; user memory of the process tree, without the kernel's sockets",
        "KiB per connection",
        groups,
        where,
    )


# ------------------------------------------------------------------------------------------------ bars


def bar_picture(title: str, subtitle: str, unit: str, groups: Sequence[Group], where: str) -> str:
    """Grouped bars with spreads. Groups that are far higher than the rest stand in a panel with its own axis."""
    series = list(dict.fromkeys(bar.series for group in groups for bar in group.bars))
    colours = {name: colour_of(name, index) for index, name in enumerate(series)}
    drawing = Drawing(WIDTH, TOP + PLOT_HEIGHT + 62, title, f"{title}: {unit} of {', '.join(series)}. {where}")
    headline(drawing, title, subtitle)
    legend(drawing, LEFT, 74, [(name, colours[name], "bar") for name in series])
    parts = panels(groups)
    room = WIDTH - LEFT - 16 - PANEL_GAP * (len(parts) - 1)
    # A lone group counts for more than one, so that its bars have room for their values.
    weights = [max(len(part), 1.4) for part in parts]
    x = float(LEFT)
    for number, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        width = room * weight / sum(weights)
        bar_panel(drawing, x, width, part, colours, unit if number == 0 else "")
        x += width + PANEL_GAP
    footnote(drawing, where)
    return drawing.render()


def panels(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups of ordinary height, and those far above them; each list has an axis of its own."""
    middle = statistics.median_low([group.highest for group in groups])
    usual = [group for group in groups if group.highest <= OUTLIER * middle]
    tall = [group for group in groups if group.highest > OUTLIER * middle]
    return [part for part in (usual, tall) if part]


def bar_panel(
    drawing: Drawing, x: float, width: float, groups: Sequence[Group], colours: Mapping[str, str], unit: str
) -> None:
    ticks = linear_ticks(max(group.highest for group in groups) * 1.08)
    bottom = TOP + PLOT_HEIGHT

    def height(value: float) -> float:
        return bottom - max(0.0, value) / ticks[-1] * PLOT_HEIGHT

    for tick in ticks:
        drawing.line(x, height(tick), x + width, height(tick), "axis" if tick == 0 else "grid")
        drawing.text(x - 7, height(tick) + 4, f"{tick:,g}", "end")
    if unit:
        drawing.text(x - 58, TOP + PLOT_HEIGHT / 2, unit, "middle", turn=-90)
    slot = width / len(groups)
    for number, group in enumerate(groups):
        bar_group(drawing, x + slot * number, slot, group, colours, height)


def bar_group(
    drawing: Drawing, x: float, slot: float, group: Group, colours: Mapping[str, str], height: Callable[[float], float]
) -> None:
    bar_width = min(46.0, slot * 0.84 / len(group.bars))
    start = x + (slot - bar_width * len(group.bars)) / 2
    for number, bar in enumerate(group.bars):
        left, middle = start + bar_width * number, start + bar_width * (number + 0.5)
        top = height(bar.value)
        drawing.add(
            "rect",
            x=left + 1,
            y=top,
            width=bar_width - 2,
            height=TOP + PLOT_HEIGHT - top,
            rx=1.5,
            fill=colours[bar.series],
        )
        if bar.high > bar.low:
            drawing.whisker(middle, height(bar.high), height(bar.low), min(4.0, bar_width / 4))
        value = digits(bar.value)
        if text_width(value, 10.5) <= bar_width + 3:
            drawing.text(middle, height(bar.high) - 5, value, "middle", "small")
        else:
            drawing.text(middle + 4, height(bar.high) - 5, value, "start", "small", turn=-90)
    drawing.text(x + slot / 2, TOP + PLOT_HEIGHT + 19, group.label, "middle")


def headline(drawing: Drawing, title: str, subtitle: str) -> None:
    drawing.text(16, 27, title, kind="title")
    drawing.text(16, 47, subtitle)


def footnote(drawing: Drawing, where: str) -> None:
    drawing.text(16, drawing.height - 12, where, kind="small")


# ------------------------------------------------------------------------------------------------ curves


def latency_picture(entry: dict, where: str) -> str:
    """p99 over answered requests per second, a curve for each side with the spread of the rounds; p50 below, dashed."""
    title = "Latency at a given rate"
    drawing = Drawing(
        WIDTH, TOP + PLOT_HEIGHT + 104, title, f"p99 and p50 by rate of {', '.join(entry['points'])}. {where}"
    )
    headline(
        drawing,
        title,
        f"lower is better; open loop, {entry['connections']} connections, from the intended moment of "
        "sending; solid p99 with all rounds, dashed p50",
    )
    looks = {
        label: (
            colour_of(label, index),
            SHAPES[list(COLOURS).index(label) if label in COLOURS else index % len(SHAPES)],
        )
        for index, label in enumerate(entry["points"])
    }
    legend(drawing, LEFT, 74, [(label, *look) for label, look in looks.items()])
    curves = {label: until_full(points) for label, points in entry["points"].items()}
    everything = [point for points in curves.values() for point in points]
    scales = Scales.around(everything)
    scales.draw(drawing)
    for label, points in curves.items():
        curve(drawing, points, scales, *looks[label])
    if any(point["load_busy"] > LOAD_BUSY_MAX for point in everything):
        drawing.text(
            LEFT,
            drawing.height - 32,
            "Hollow marks: the core of generator and origin was full, so their own queue is in the number.",
            kind="small",
        )
    footnote(drawing, where)
    return drawing.render()


def until_full(points: Sequence[dict]) -> list[dict]:
    """The points up to the first rate from which on none was answered: beyond it waits only measure how long runs were.

    A single rate that was missed below one that was answered is a hiccup of the machine, and stays in the curve.
    """
    answered = [number for number, point in enumerate(points) if not is_full(point)]
    return list(points[: answered[-1] + 2]) if answered else list(points[:1])


@dataclasses.dataclass(frozen=True)
class Scales:
    """The two axes of a latency picture: requests per second, linear from 0, and µs, logarithmic."""

    across: list[float]
    up: list[float]

    @classmethod
    def around(cls, points: Sequence[dict]) -> "Scales":
        fastest = max(point["requests_per_second"] for point in points)
        return cls(
            linear_ticks(fastest, 8),
            log_ticks(
                min(point["p50_us"]["median"] for point in points) * 0.9,
                max(point["p99_us"]["max"] for point in points),
            ),
        )

    def x(self, per_second: float) -> float:
        return LEFT + per_second / self.across[-1] * (WIDTH - LEFT - 30)

    def y(self, us: float) -> float:
        low, high = self.up[0], self.up[-1]
        share = math.log(max(us, low) / low) / math.log(high / low)
        return TOP + PLOT_HEIGHT * (1 - share)

    def draw(self, drawing: Drawing) -> None:
        right, bottom = self.x(self.across[-1]), TOP + PLOT_HEIGHT
        for tick in self.up:
            drawing.line(LEFT, self.y(tick), right, self.y(tick), "axis" if tick == self.up[0] else "grid")
            drawing.text(LEFT - 7, self.y(tick) + 4, duration(tick), "end")
        for tick in self.across:
            drawing.line(self.x(tick), TOP, self.x(tick), bottom, "axis" if tick == 0 else "grid")
            drawing.text(self.x(tick), bottom + 18, f"{tick:,g}", "middle")
        drawing.text(16, TOP + PLOT_HEIGHT / 2, "latency", "middle", turn=-90)
        drawing.text((LEFT + right) / 2, bottom + 40, "answered requests per second", "middle")


def curve(drawing: Drawing, points: Sequence[dict], scales: Scales, colour: str, shape: str) -> None:
    at = [(scales.x(point["requests_per_second"]), point) for point in points]
    for key, dashes, width in (("p50_us", "5 5", 1.3), ("p99_us", "none", 2.2)):
        path = "M" + "L".join(f"{x:.1f} {scales.y(point[key]['median']):.1f}" for x, point in at)
        drawing.add("path", d=path, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dashes)
    for x, point in at:
        low, high = scales.y(point["p99_us"]["max"]), scales.y(point["p99_us"]["min"])
        drawing.add("line", x1=x, y1=low, x2=x, y2=high, stroke=colour, stroke_width=1.4, stroke_opacity=0.7)
        drawing.marker(x, scales.y(point["p99_us"]["median"]), shape, colour, point["load_busy"] > LOAD_BUSY_MAX)
