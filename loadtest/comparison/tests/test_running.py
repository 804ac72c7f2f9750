"""What runs: processes end with all their children, memory and outputs are read right, templates fill in."""

import dataclasses
import os
import pathlib
import string
import subprocess
import sys
import tempfile
import unittest

from comparison import app
from comparison.contenders import CONFIGS, Setting, all_contenders, prefixes
from comparison.figures import Failure
from comparison.generators import Outcome, RingwayLoad, Wrk
from comparison.measure import (
    Places,
    Settings,
    answered_rate,
    merged,
    order_of,
    seconds_of,
)
from comparison.origins import NginxOrigin
from comparison.processes import (
    Process,
    free_port,
    outputs_of,
    parse_rollup,
    process_tree,
    started_at,
)
from comparison.results import sides_of
from comparison.scenarios import read_all

# A server that forks a child which listens and stays deaf to SIGTERM, and prints the child's id.
STUBBORN = """
import os, signal, socket, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    time.sleep(600)
time.sleep(600)
"""


class Processes(unittest.TestCase):
    def test_a_process_ends_with_all_that_it_forked(self) -> None:
        port = free_port()
        with Process([sys.executable, "-c", STUBBORN, str(port)], [min(os.sched_getaffinity(0))], port) as server:
            tree = process_tree(server.child.pid)
            self.assertEqual(len(tree), 2)
            self.assertGreater(server.cpu_ns(), 0)
            self.assertGreater(server.memory().private, 100_000)
        self.assertEqual([started_at(pid) for pid in tree], [None, None])

    def test_a_server_that_does_not_listen_is_a_failure_with_its_words(self) -> None:
        server = Process(
            [sys.executable, "-c", "print('no such option'); raise SystemExit(3)"],
            [min(os.sched_getaffinity(0))],
            free_port(),
        )
        with self.assertRaisesRegex(Failure, r"(?s)exit code 3.*no such option"), server:
            pass

    def test_a_failing_generator_takes_the_others_with_it(self) -> None:
        slow = [sys.executable, "-c", "import time; time.sleep(600)"]
        before = children()
        with self.assertRaisesRegex(Failure, "did not end within 0.5 s"):
            outputs_of([slow, slow], 0.5)
        self.assertEqual(children(), before)
        with self.assertRaisesRegex(Failure, "failed with code 4"):
            outputs_of([[sys.executable, "-c", "raise SystemExit(4)"]], 60)

    def test_memory_is_read_in_bytes(self) -> None:
        text = (
            "5581-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 12 kB\nPss: 8 kB\nPss_Dirty: 7 kB\nPrivate_Clean: 1 kB\n"
            "Private_Dirty: 6 kB\nAnonymous: 5 kB\n"
        )
        memory = parse_rollup(text)
        self.assertEqual((memory.rss, memory.pss, memory.private, memory.anonymous), (12288, 8192, 7168, 5120))


def children() -> set[int]:
    return set(process_tree(os.getpid()))


class Placement(unittest.TestCase):
    def settings(self) -> Settings:
        return Settings(1, 1.0, (0,), (1,), Wrk(), NginxOrigin())

    def test_the_load_has_cores_of_its_own_where_there_are_enough(self) -> None:
        self.assertEqual(Places.choose(self.settings(), 1, [0, 1]), Places([0], [1], False))
        self.assertEqual(Places.choose(self.settings(), 2, [0, 1, 2, 3]), Places([0, 1], [2, 3], False))

    def test_the_load_shares_them_where_there_are_not_and_says_so(self) -> None:
        self.assertEqual(Places.choose(self.settings(), 2, [0, 1]), Places([0, 1], [0, 1], True))
        same = dataclasses.replace(self.settings(), load_cores=(0,))
        self.assertEqual(Places.choose(same, 1, [0, 1]), Places([0], [0], True))
        with self.assertRaisesRegex(Failure, "takes 4 cores"):
            Places.choose(self.settings(), 4, [0, 1])

    def test_the_length_of_a_scenario_is_foreseen(self) -> None:
        found = read_all(app.SCENARIOS)
        sides = sides_of(found["small"], ["nginx", "ringway"], False)
        settings = Settings(3, 2.0, (0,), (1,), Wrk(), NginxOrigin())
        # 12 runs of 2 s, two starts, and some rest between.
        self.assertTrue(24 < seconds_of(found["small"], sides, settings) < 32)
        self.assertGreater(seconds_of(found["latency"], sides, settings), 12 * 2 + 7 * 3 * 2 * 2)
        self.assertLess(seconds_of(found["idle-10k"], sides, settings), 60)

    def test_a_sweep_goes_there_in_one_round_and_back_in_the_next(self) -> None:
        self.assertEqual([order_of(number, 3, False) for number in (1, 2)], [[0, 1, 2], [2, 1, 0]])
        self.assertEqual(order_of(1, 2, True), [0, 1, 1, 0])


class Traffic(unittest.TestCase):
    def test_lanes_add_up_and_the_worse_latency_counts(self) -> None:
        lanes = [
            Outcome(100, 2.0, 10, 20, None, 40, {"read": 1}),
            Outcome(300, 2.0, 8, 30, 35, 50, {"late": 2}),
        ]
        both = merged(lanes, 2.0)
        self.assertEqual(
            (both["requests"], both["requests_per_second"], both["p99_us"], both["p999_us"]), (400, 200.0, 30, 35)
        )
        self.assertEqual(both["errors"], {"read": 1, "late": 2})

    def test_a_queue_that_drains_after_an_open_loop_counts_as_time(self) -> None:
        self.assertEqual(answered_rate(Outcome(20_000, 1.0, 9, 9, 9, 1.5e6, {}), 2.0), 10_000)
        self.assertEqual(answered_rate(Outcome(5_000, 1.0, 9, 9, 9, 50_000, {}), 1.1), 5_000)

    def test_what_the_generators_print_is_read(self) -> None:
        wrk = Wrk().outcome(
            'Running\nRESULT {"requests":5,"seconds":1.0,"bytes":9,"errors":2,"p50_us":1,"p99_us":2,'
            '"p999_us":3,"max_us":4}\n'
        )
        self.assertEqual((wrk.requests, wrk.p999_us, wrk.errors), (5, 3, {"any": 2}))
        ours = RingwayLoad("ringway-load").outcome(
            '{"requests":7,"seconds":2.0,"errors":{"late":1},"latency_us":{"p50":1,"p99":2,"p999":3,"max":4},'
            '"handshakes":{"full":5,"resumed":6}}'
        )
        self.assertEqual((ours.requests, ours.max_us, ours.full_handshakes, ours.errors), (7, 4, 5, {"late": 1}))
        for generator in (Wrk(), RingwayLoad("ringway-load")):
            with self.assertRaisesRegex(Failure, "did not report"):
                generator.outcome("nothing of use")


class Configurations(unittest.TestCase):
    def test_every_template_fills_in_with_and_without_routes(self) -> None:
        for who in all_contenders("ringway").values():
            for routes in (0, 3):
                with self.subTest(f"{who.name} {routes}"), tempfile.TemporaryDirectory() as directory:
                    setting = Setting(pathlib.Path(directory), 9001, routes)
                    main = setting.write(who, "side", 8001, 2, [0, 1])
                    text = "".join(path.read_text() for path in pathlib.Path(directory, "side").iterdir())
                    self.assertEqual(pathlib.Path(main).name, who.template)
                    self.assertIn("8001", text)
                    self.assertIn("9001", text)
                    self.assertEqual([text.count(prefix) >= 1 for prefix in prefixes(3)], [routes == 3] * 3)
                    self.assertNotIn("${", text)

    def test_no_template_is_left_over(self) -> None:
        used = {who.template for who in all_contenders("").values()} | {
            "origin.conf",
            "wrk.lua",
            "haproxy-routes.map",
            "traefik-routes.yaml",
        }
        self.assertEqual({path.name.removesuffix(".template") for path in CONFIGS.iterdir()}, used)
        for path in CONFIGS.iterdir():
            self.assertTrue(string.Template(path.read_text()).is_valid(), path.name)

    def test_the_table_of_1k_routes_has_the_scenarios_target(self) -> None:
        scenario = read_all(app.SCENARIOS)["1k-routes"]
        self.assertEqual(len([prefix for prefix in prefixes(scenario.routes) if scenario.target.startswith(prefix)]), 1)


class CommandLine(unittest.TestCase):
    def refused(self, *words: str) -> str:
        script = app.SCENARIOS.parent / "compare"
        done = subprocess.run([str(script), *words], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr

    def test_what_is_not_there_is_named_beside_what_is(self) -> None:
        self.assertIn("no such scenario: tiny; there are small, headers", self.refused("--scenarios", "small,tiny"))
        self.assertIn("no such peer: apache; there are nginx", self.refused("--peers", "apache"))
        self.assertIn("from 1 to 600 seconds", self.refused("--seconds", "0"))
        self.assertIn("the cores are", self.refused("--load-cores", "4096"))

    def test_the_list_names_all_scenarios(self) -> None:
        text = app.listing(read_all(app.SCENARIOS), {})
        self.assertIn("idle-10k        memory", text)
