"""Results as text: for a terminal, and as Markdown to paste into a page. Pure."""

from collections.abc import Sequence

HEAD = (
    f"{'scenario':<15} {'gateway':<22} {'CPU µs/rq':>9}  {'ratio (rounds)':<22} {'requests/s':>10} {'p50 µs':>8}"
    f" {'p99 µs':>8} {'busy':>5}"
)
MEMORY_HEAD = (
    f"{'scenario':<15} {'gateway':<22} {'private':>9} {'anonymous':>9} {'PSS':>9} {'RSS':>9}  {'RSS before, MiB':>15}"
)


def whole(entries: Sequence[dict]) -> str:
    """All scenarios as they are told on a terminal."""
    kinds = [None, *(entry["kind"] for entry in entries)]
    return "\n".join(
        heading(entry["kind"], before) + terminal(entry) for entry, before in zip(entries, kinds, strict=False)
    )


def heading(kind: str, before: str | None) -> str:
    """The names of the columns, where a scenario of this kind follows one with other columns or none."""
    if before is not None and (kind == "memory") == (before == "memory"):
        return ""
    return f"{MEMORY_HEAD if kind == 'memory' else HEAD}\n"


def terminal(entry: dict) -> str:
    """The lines of one scenario, with its notes."""
    lines = memory_lines(entry) if entry["kind"] == "memory" else traffic_lines(entry)
    if entry["kind"] == "latency":
        lines += ["", *sweep_lines(entry)]
    return "\n".join([*lines, *(f"{'':<15} note: {note}" for note in entry["notes"])]) + "\n"


def traffic_lines(entry: dict) -> list[str]:
    lines: list[str] = []
    for side in entry["sides"]:
        name = "" if lines else entry["name"]
        broken = f"  {side['errors']} ERRORS" if side["errors"] else ""
        lines.append(
            f"{name:<15} {side['label']:<22} {side['cost_us']['median']:>9.2f}  {ratio_text(entry, side):<22}"
            f" {side['requests_per_second']:>10,.0f} {latency_text(side['p50_us'])} {latency_text(side['p99_us'])}"
            f" {side['gateway_busy']:>5.0%}{broken}"
        )
    return lines


def latency_text(found: float | None) -> str:
    """A latency in its column, or nothing where the generator knows none."""
    return f"{'' if found is None else f'{found:,.0f}':>8}"


def ratio_text(entry: dict, side: dict) -> str:
    found = entry["ratios"].get(side["label"])
    if not found:
        return ""
    return (
        f"{found['median']:.3f} ({found['min']:.3f}–{found['max']:.3f})"
        if len(found["rounds"]) > 1
        else f"{found['median']:.3f}"
    )


def sweep_lines(entry: dict) -> list[str]:
    """p50, p99 and p999 of each side at each rate, in µs; an answered rate below the asked one is shown."""
    rates = sorted({point["rate"] for points in entry["points"].values() for point in points})
    columns = [["asked/s", *(f"{rate:,}" for rate in rates)]]
    for label, points in entry["points"].items():
        columns.append([f"{label} p50/p99/p999 µs", *(point_text(points, rate) for rate in rates)])
    widths = [max(map(len, column)) for column in columns]
    rows = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*columns, strict=True)
    ]
    return [f"{'':<15} {row}".rstrip() for row in rows]


def point_text(points: Sequence[dict], rate: int) -> str:
    for point in points:
        if point["rate"] == rate:
            three = " / ".join(f"{point[key]['median']:,.0f}" for key in ("p50_us", "p99_us", "p999_us"))
            missed = point["requests_per_second"] < 0.98 * rate
            return three + (f" ({point['requests_per_second']:,.0f}/s)" if missed else "")
    return ""


def memory_lines(entry: dict) -> list[str]:
    lines: list[str] = []
    for side in entry["sides"]:
        each = side["bytes_per_connection"]
        sizes = " ".join(f"{each[kind]['median']:>9,.0f}" for kind in ("private", "anonymous", "pss", "rss"))
        name = "" if lines else entry["name"]
        lines.append(f"{name:<15} {side['label']:<22} {sizes}  {side['rss_before']['median'] / 2**20:>15.1f}")
    return [*lines, f"{'':<15} (bytes for each of {entry['connections']:,} idle connections)"]


# ------------------------------------------------------------------------------------------------ Markdown


def markdown(entries: Sequence[dict]) -> str:
    """All entries as Markdown tables."""
    traffic = [entry for entry in entries if entry["kind"] == "cpu" and not entry["layouts"]]
    parts = [markdown_cpu(traffic)] if traffic else []
    parts += [markdown_layouts(entry) for entry in entries if entry["layouts"]]
    parts += [markdown_latency(entry) for entry in entries if entry["kind"] == "latency"]
    parts += [markdown_memory(entry) for entry in entries if entry["kind"] == "memory"]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_cpu(entries: Sequence[dict]) -> str:
    """One row for each scenario, one column for each side: CPU µs per request, and the ratio with its rounds."""
    labels = list(dict.fromkeys(side["label"] for entry in entries for side in entry["sides"]))
    rows = []
    for entry in entries:
        sides = {side["label"]: side for side in entry["sides"]}
        cells = [markdown_cost(entry, sides[label]) if label in sides else "" for label in labels]
        rows.append([f"`{entry['name']}`: {entry['description']}", *cells])
    return table(["CPU µs per request, and ratio (rounds)", *labels], rows)


def markdown_cost(entry: dict, side: dict) -> str:
    """The cost and, behind it, the ratio with the spread of its rounds where there were several."""
    cost, ratio = number(side["cost_us"]["median"]), entry["ratios"].get(side["label"])
    if not ratio:
        return cost
    spread = f" ({ratio['min']:.2f} to {ratio['max']:.2f})" if len(ratio["rounds"]) > 1 else ""
    return f"{cost}, {ratio['median']:.2f}{spread}"


def markdown_layouts(entry: dict) -> str:
    contenders = list(dict.fromkeys(side["contender"] for side in entry["sides"]))
    layouts = list(dict.fromkeys(side["layout"] for side in entry["sides"]))
    cells = {(side["contender"], side["layout"]): markdown_cost(entry, side) for side in entry["sides"]}
    rows = [[name, *(cells.get((name, layout), "") for layout in layouts)] for name in contenders]
    return table([f"`{entry['name']}`: CPU µs per request", *layouts], rows)


def markdown_latency(entry: dict) -> str:
    rows = []
    for label, points in entry["points"].items():
        at = next(point for point in points if point["rate"] == entry["rate"])
        rows.append(
            [
                label,
                *(
                    f"{at[key]['median']:,.0f} ({at[key]['min']:,.0f} to {at[key]['max']:,.0f})"
                    for key in ("p50_us", "p99_us", "p999_us")
                ),
            ]
        )
    return table([f"`{entry['name']}`: open loop, {entry['rate']:,} requests/s", "p50 µs", "p99 µs", "p999 µs"], rows)


def markdown_memory(entry: dict) -> str:
    rows = [
        [
            side["label"],
            *(
                f"{side['bytes_per_connection'][kind]['median']:,.0f}"
                for kind in ("private", "anonymous", "pss", "rss")
            ),
        ]
        for side in entry["sides"]
    ]
    head = [f"`{entry['name']}`: bytes per idle connection", "private", "anonymous", "PSS", "RSS"]
    return table(head, rows)


def number(value: float) -> str:
    """Three significant digits, and never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
