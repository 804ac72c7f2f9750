"""Drawing: a small SVG writer, and scales with readable ticks. Pure; not here: what is drawn, that is `plots`.

The pictures have no background of their own. Ink is a grey that reads on white and on black alike; viewers that know
their colour scheme (browsers) get the stronger ink of that scheme.
"""

import math
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

STYLE = """
text { font-family: "DejaVu Sans", Verdana, system-ui, sans-serif; font-size: 12px; fill: #7a848e }
.title { font-size: 17px; font-weight: bold }
.small { font-size: 10.5px }
.grid { stroke: #8b949e; stroke-opacity: 0.28; stroke-width: 1 }
.axis { stroke: #8b949e; stroke-width: 1 }
.whisker { stroke: #6b747d; stroke-width: 1.4; fill: none }
.halo { stroke: #ffffff; stroke-opacity: 0.45; stroke-width: 3.4; fill: none }
@media (prefers-color-scheme: light) { text { fill: #2b3238 } .whisker { stroke: #2b3238 } }
@media (prefers-color-scheme: dark) { text { fill: #d5dbe1 } .whisker { stroke: #d5dbe1 } }
"""
# Mid-tones that stand out from white and from black, apart for most kinds of colour blindness.
COLOURS = {
    "nginx": "#2f9e5f",
    "haproxy": "#4c8dff",
    "envoy": "#b565d8",
    "caddy": "#18a3b8",
    "traefik": "#c9458a",
    "ringway": "#ec6a1a",
}
MORE_COLOURS = ("#8a94a0", "#18a3b8", "#d9a404", "#b565d8", "#c9458a", "#4c8dff")
SHAPES = ("circle", "square", "diamond", "triangle", "cross", "star")


def colour_of(label: str, index: int) -> str:
    """A contender has its colour in every picture; others get one by their place."""
    return COLOURS.get(label, MORE_COLOURS[index % len(MORE_COLOURS)])


class Drawing:
    """An SVG picture of `width` × `height` pixels that grows by elements; (0, 0) is the upper left."""

    def __init__(self, width: float, height: float, title: str, description: str):
        self.width, self.height, self.title, self.description = width, height, title, description
        self.elements: list[str] = []

    def add(self, name: str, text: str | None = None, **attributes: object) -> None:
        pairs = "".join(
            f" {key.rstrip('_').replace('_', '-')}={quoteattr(shown(value))}" for key, value in attributes.items()
        )
        self.elements.append(f"<{name}{pairs}/>" if text is None else f"<{name}{pairs}>{escape(text)}</{name}>")

    def text(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "", turn: float = 0) -> None:
        turned = {"transform": f"rotate({turn:g} {x:.1f} {y:.1f})"} if turn else {}
        self.add("text", text, x=x, y=y, text_anchor=anchor, **({"class_": kind} if kind else {}), **turned)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)

    def whisker(self, x: float, low: float, high: float, half: float = 4) -> None:
        """A spread: a line from `low` to `high` with a bar at each end, on a halo that parts it from what is behind."""
        ends = [f"M{x - half:.1f} {y:.1f}h{2 * half:.1f}" for y in (low, high)]
        path = f"{ends[0]}M{x:.1f} {low:.1f}V{high:.1f}{ends[1]}"
        self.add("path", d=path, class_="halo")
        self.add("path", d=path, class_="whisker")

    def marker(self, x: float, y: float, shape: str, colour: str, hollow: bool = False) -> None:
        """A point of a curve, told apart by its shape as well as by its colour."""
        paint: dict[str, Any] = {"fill": "none" if hollow else colour, "stroke": colour, "stroke_width": 1.8}
        if shape == "circle":
            self.add("circle", cx=x, cy=y, r=4.2, **paint)
        else:
            self.add("path", d=outline(shape, x, y), **paint)

    def render(self) -> str:
        """The whole picture as the text of a file."""
        body = "\n".join(self.elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img">\n<title>{escape(self.title)}</title>\n'
            f"<desc>{escape(self.description)}</desc>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
        )


def shown(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def outline(shape: str, x: float, y: float) -> str:
    """The path of a marker around (x, y)."""
    corners: dict[str, list[tuple[float, float]]] = {
        "square": [(-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)],
        "diamond": [(0, -5.4), (5.4, 0), (0, 5.4), (-5.4, 0)],
        "triangle": [(0, -5), (5, 4), (-5, 4)],
        "cross": [(-5, -5), (0, -1.5), (5, -5), (1.5, 0), (5, 5), (0, 1.5), (-5, 5), (-1.5, 0)],
        "star": [(0, -6), (1.6, -1.6), (6, 0), (1.6, 1.6), (0, 6), (-1.6, 1.6), (-6, 0), (-1.6, -1.6)],
    }
    return "M" + "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in corners[shape]) + "Z"


# ------------------------------------------------------------------------------------------------ scales


def linear_ticks(highest: float, count: int = 6) -> list[float]:
    """About `count` round values from 0 to at least `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def log_ticks(lowest: float, highest: float) -> list[float]:
    """1, 2, 5, 10, … around positive values: from at most `lowest` to at least `highest`."""
    ticks = [factor * 10.0**power for power in range(-3, 10) for factor in (1, 2, 5)]
    first = max((number for number, tick in enumerate(ticks) if tick <= lowest), default=0)
    last = min((number for number, tick in enumerate(ticks) if tick >= highest), default=len(ticks) - 1)
    return ticks[first : max(last, first + 1) + 1]


def duration(us: float) -> str:
    """A time in µs with the unit that suits it."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us:g} µs"


def digits(value: float) -> str:
    """A value of a bar in the room above it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def text_width(text: str, size: float = 12) -> float:
    """About the width of `text` in pixels; fonts differ, so it errs to the wide side."""
    return len(text) * size * 0.62


def legend(drawing: Drawing, x: float, y: float, entries: Sequence[tuple[str, str, str]]) -> None:
    """Labels with their colours and shapes ("bar" for a bar) in one row from (x, y)."""
    for label, colour, shape in entries:
        if shape == "bar":
            drawing.add("rect", x=x, y=y - 10, width=12, height=12, rx=2, fill=colour)
        else:
            drawing.add("line", x1=x - 2, y1=y - 4, x2=x + 16, y2=y - 4, stroke=colour, stroke_width=2)
            drawing.marker(x + 7, y - 4, shape, colour)
        drawing.text(x + 21, y, label)
        x += 21 + text_width(label) + 22
