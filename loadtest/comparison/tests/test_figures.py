"""Statistics and summaries: what the numbers in a table are."""

import unittest

from comparison.figures import Spread, cost_of, ratios, there_and_back
from comparison.results import cautions, failures, has_errors, sides_of, traffic_entry
from comparison.tests.samples import latency_entry, memory_sample, run, scenario


class Figures(unittest.TestCase):
    def test_a_spread_has_the_middle_and_both_ends(self) -> None:
        self.assertEqual(Spread.of([3, 1, 10]), Spread(3, 1, 10))
        self.assertEqual(Spread.of([4, 1, 2, 3]).median, 2.5)
        self.assertEqual(Spread.of([7]), Spread(7, 7, 7))

    def test_the_cost_of_several_runs_weighs_them_by_their_requests(self) -> None:
        long, short = run("a", requests=3000, cpu_us=30_000), run("a", requests=1000, cpu_us=50_000)
        self.assertEqual(cost_of([long, short]), 20.0)

    def test_a_ratio_is_taken_inside_each_round(self) -> None:
        # The machine halves its speed between the rounds; the ratio does not see it.
        runs = [run("a", 1, 10.0), run("b", 1, 9.0), run("a", 2, 20.0), run("b", 2, 18.0)]
        self.assertEqual(ratios(runs, "b", "a"), [0.9, 0.9])

    def test_a_round_without_one_of_both_gives_no_ratio(self) -> None:
        self.assertEqual(ratios([run("a", 1), run("b", 2)], "b", "a"), [])

    def test_a_round_goes_there_and_back(self) -> None:
        self.assertEqual(there_and_back(3), [0, 1, 2, 2, 1, 0])
        self.assertEqual(there_and_back(1), [0])


class Summaries(unittest.TestCase):
    def test_peers_are_held_against_the_first_one(self) -> None:
        bases = {side.label: side.base for side in sides_of(scenario(), ["nginx", "haproxy", "ringway"], False)}
        self.assertEqual(bases, {"nginx": None, "haproxy": "nginx", "ringway": "nginx"})

    def test_one_gateway_against_itself_is_two_sides(self) -> None:
        sides = sides_of(scenario(), ["ringway"], True)
        self.assertEqual([(side.label, side.base) for side in sides], [("ringway A", None), ("ringway B", "ringway A")])

    def test_layouts_are_held_against_the_same_gateways_first_one(self) -> None:
        sides = sides_of(scenario(more='layouts = ["1", "2", "2x1"]\n'), ["nginx", "ringway"], False)
        self.assertEqual([side.base for side in sides[:3]], [None, "nginx, 1 worker", "nginx, 1 worker"])
        self.assertEqual(sides[5].label, "ringway, 2 × 1 worker")

    def test_an_entry_has_medians_ratios_and_every_run(self) -> None:
        sides = sides_of(scenario(), ["nginx", "ringway"], False)
        runs = [
            run(side, round_, cost) for round_ in (1, 2) for side, cost in (("nginx", 20.0), ("ringway", 15.0 + round_))
        ]
        entry = traffic_entry(scenario(), sides, runs, [])
        self.assertEqual(entry["sides"][1]["cost_us"], {"median": 16.5, "min": 16.0, "max": 17.0})
        self.assertEqual(entry["ratios"]["ringway"]["rounds"], [0.8, 0.85])
        self.assertEqual(len(entry["runs"]), 4)

    def test_a_latency_entry_summarises_its_own_rate_and_keeps_the_curve(self) -> None:
        entry = latency_entry()
        self.assertEqual(entry["sides"][0]["requests_per_second"], 5000)
        self.assertEqual([point["rate"] for point in entry["points"]["ringway"]], [1000, 5000, 20000])

    def test_a_request_that_was_never_sent_is_no_error_and_all_others_are(self) -> None:
        self.assertEqual(failures(run("a", errors={"late": 7, "read": 0})), 0)
        self.assertEqual(failures(run("a", errors={"late": 7, "read": 2, "status": 1})), 3)

    def test_errors_of_any_side_are_found(self) -> None:
        sides = sides_of(scenario(), ["nginx"], False)
        self.assertFalse(has_errors([memory_sample(), traffic_entry(scenario(), sides, [run("nginx")], [])]))
        self.assertTrue(has_errors([traffic_entry(scenario(), sides, [run("nginx", errors={"status": 1})], [])]))

    def test_a_busy_machine_and_a_full_load_core_are_told(self) -> None:
        self.assertEqual(cautions([run("a")]), [])
        self.assertIn("busy machine", cautions([run("a", foreign_busy=0.4)])[0])
        self.assertIn("hollow", cautions([run("a", rate=5000, load_busy=0.99)])[0])
        # A closed loop fills that core by design.
        self.assertEqual(cautions([run("a", load_busy=0.99)]), [])
