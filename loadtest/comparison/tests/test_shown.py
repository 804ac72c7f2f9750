"""Tables and pictures: whole, well-formed, and with everything in them that was measured."""

import re
import unittest
import xml.etree.ElementTree as ElementTree

from comparison import plots, svg, tables
from comparison.tests.samples import (
    cpu_entry,
    entries,
    latency_entry,
    layouts_entry,
    memory_sample,
)

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


class Tables(unittest.TestCase):
    def test_a_line_for_each_side_with_cost_and_ratio(self) -> None:
        lines = tables.terminal(cpu_entry()).splitlines()
        self.assertRegex(lines[0], r"^sample +nginx +13\.52 +9,000 +270 +1,217 +90%$")
        self.assertRegex(lines[2], r"^ +ringway +10\.40 +0\.769 \(0\.769–0\.769\) +9,000 +208 +936 +90%$")

    def test_columns_are_named_where_they_change(self) -> None:
        text = tables.whole([cpu_entry(), cpu_entry(), memory_sample(), cpu_entry()])
        self.assertEqual((text.count("CPU µs/rq"), text.count("anonymous")), (2, 1))

    def test_errors_and_notes_are_shown(self) -> None:
        entry = cpu_entry()
        entry["sides"][0]["errors"] = 3
        self.assertIn("3 ERRORS", tables.terminal(entry))
        self.assertIn("note: a note", tables.terminal(layouts_entry()))

    def test_a_rate_that_was_not_reached_is_told(self) -> None:
        entry = latency_entry()
        entry["points"]["nginx"][2]["requests_per_second"] = 15000
        self.assertIn("(15,000/s)", tables.terminal(entry))

    def test_markdown_tables_have_equal_columns(self) -> None:
        text = tables.markdown(entries())
        for block in text.strip().split("\n\n"):
            counts = {line.count(" | ") for line in block.splitlines()}
            self.assertEqual(len(counts), 1, block)
        self.assertIn(
            '| `sample`: a "quoted" <sample> & more | 13.5 | 41.6, 3.08 (3.08 to 3.08) | 10.4, 0.77 (0.77 to 0.77) |',
            text,
        )
        for words in ("2 workers", "open loop, 5,000 requests/s", "bytes per idle connection"):
            self.assertIn(words, text)

    def test_numbers_have_three_digits(self) -> None:
        self.assertEqual(
            [tables.number(value) for value in (1234.5, 99.94, 9.994, 0.5)], ["1,234", "99.9", "9.99", "0.50"]
        )


class Pictures(unittest.TestCase):
    def test_every_kind_of_entry_has_its_picture(self) -> None:
        found = plots.pictures(entries(), "somewhere")
        self.assertEqual(
            set(found), {"cpu.svg", "layouts-workers.svg", "latency.svg", "latency-at-5000.svg", "memory.svg"}
        )

    def test_pictures_are_well_formed_with_title_unit_labels_and_place(self) -> None:
        units = {
            "cpu.svg": "µs of CPU per request",
            "layouts-workers.svg": "µs of CPU per request",
            "latency.svg": "answered requests per second",
            "latency-at-5000.svg": "latency, µs",
            "memory.svg": "KiB per connection",
        }
        for name, picture in plots.pictures(entries(), 'at <a & "b">').items():
            with self.subTest(name):
                root = ElementTree.fromstring(picture)
                self.assertTrue(root.findtext(f"{SVG}title"))
                self.assertTrue(root.findtext(f"{SVG}desc"))
                said = texts(picture)
                for words in (units[name], 'at <a & "b">', "nginx", "ringway"):
                    self.assertIn(words, said)

    def test_nothing_is_drawn_outside_or_without_a_place(self) -> None:
        for name, picture in plots.pictures(entries(), "somewhere").items():
            self.assertNotRegex(picture, r"\b(nan|inf|None)\b", name)
            width, height = (float(ElementTree.fromstring(picture).get(side)) for side in ("width", "height"))
            for element in ElementTree.fromstring(picture).iter():
                for key, most in (
                    ("x", width),
                    ("y", height),
                    ("x1", width),
                    ("x2", width),
                    ("y1", height),
                    ("y2", height),
                    ("cx", width),
                    ("cy", height),
                ):
                    value = float(element.get(key, 0))
                    self.assertTrue(0 <= value <= most, f"{name}: {element.tag} {key}={value}")

    def test_one_rate_makes_no_curve(self) -> None:
        entry = latency_entry()
        entry["points"] = {
            label: [point for point in points if point["rate"] == 5000] for label, points in entry["points"].items()
        }
        self.assertEqual(set(plots.pictures([entry], "somewhere")), {"latency-at-5000.svg"})

    def test_a_far_higher_group_has_an_axis_of_its_own(self) -> None:
        groups = [
            plots.Group(name, (plots.Bar("a", high, high, high),)) for name, high in (("x", 10), ("y", 12), ("z", 500))
        ]
        self.assertEqual([[group.label for group in part] for part in plots.panels(groups)], [["x", "y"], ["z"]])
        self.assertEqual(len(plots.panels(groups[:2])), 1)

    def test_a_curve_ends_at_the_first_rate_that_was_not_answered(self) -> None:
        points = [{"rate": rate, "requests_per_second": min(rate, 9000)} for rate in (5000, 9000, 15000, 20000)]
        self.assertEqual([point["rate"] for point in plots.until_full(points)], [5000, 9000, 15000])
        self.assertEqual(len(plots.until_full(points[:2])), 2)
        self.assertEqual(len(plots.until_full(points[2:])), 1)
        hiccup = [{"rate": 1000, "requests_per_second": 800}, *points]
        self.assertEqual([point["rate"] for point in plots.until_full(hiccup)], [1000, 5000, 9000, 15000])

    def test_points_of_a_full_load_core_are_hollow_and_told(self) -> None:
        picture = plots.pictures([latency_entry()], "somewhere")["latency.svg"]
        self.assertTrue(any(text.startswith("Hollow marks") for text in texts(picture)))
        entry = latency_entry()
        for points in entry["points"].values():
            for point in points:
                point["load_busy"] = 0.5
        self.assertFalse(any(text.startswith("Hollow") for text in texts(plots.latency_picture(entry, ""))))

    def test_values_of_zero_and_below_are_drawn_at_the_axis(self) -> None:
        entry = memory_sample()
        for side in entry["sides"]:
            side["bytes_per_connection"]["rss"] = {"median": -5.0, "min": -9.0, "max": 0.0}
            side["bytes_per_connection"]["pss"] = {"median": 0.0, "min": 0.0, "max": 0.0}
        heights = re.findall(r'<rect [^>]*height="(-?[\d.]+)"', plots.memory_picture(entry, ""))
        self.assertTrue(heights and all(float(height) >= 0 for height in heights))


class ScalesOfPictures(unittest.TestCase):
    def test_linear_ticks_are_round_and_reach_the_highest(self) -> None:
        self.assertEqual(svg.linear_ticks(50), [0, 10, 20, 30, 40, 50])
        self.assertEqual(svg.linear_ticks(0), [0.0, 1.0])
        for highest in (0.003, 1, 7.3, 99, 1137, 25_000):
            ticks = svg.linear_ticks(highest)
            self.assertTrue(ticks[-1] >= highest > ticks[-2] and 3 <= len(ticks) <= 8, ticks)

    def test_logarithmic_ticks_surround_the_values(self) -> None:
        self.assertEqual(svg.log_ticks(15, 900), [10, 20, 50, 100, 200, 500, 1000])
        for low, high in ((1, 1), (0.5, 3), (199, 201), (1, 1e7)):
            ticks = svg.log_ticks(low, high)
            self.assertTrue(ticks[0] <= low and ticks[-1] >= high and ticks[0] < ticks[-1], ticks)

    def test_durations_have_the_unit_that_suits_them(self) -> None:
        self.assertEqual(
            [svg.duration(us) for us in (0.5, 200, 1000, 2500, 5e6)], ["0.5 µs", "200 µs", "1 ms", "2.5 ms", "5 s"]
        )
