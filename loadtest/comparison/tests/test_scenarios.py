"""Scenario files: those of the project are sound, and a mistake in one is refused with its place."""

import unittest

from comparison.app import SCENARIOS
from comparison.figures import Failure
from comparison.scenarios import H2, H2C, HTTP1, PLAIN, Layout, Protocols, parse, read_all
from comparison.tests.samples import TEXT, scenario

SOUND = TEXT.format(name="sample", kind="cpu", more="")


class Scenarios(unittest.TestCase):
    def test_all_files_of_the_project_parse(self) -> None:
        found = read_all(SCENARIOS)
        names = [
            "small",
            "headers",
            "1k-connections",
            "10k",
            "1m",
            "post",
            "close",
            "1k-routes",
            "latency",
            "2-workers",
            "idle-10k",
            "tls",
            "tls-full",
            "tls-resumed",
            "h2",
            "h2c",
            "grpc",
            "idle-tls",
        ]
        self.assertEqual(list(found), names)
        self.assertEqual(len(found["headers"].headers), 10)
        self.assertEqual(found["1k-routes"].routes, 1000)
        self.assertFalse(found["close"].keep_alive)
        self.assertEqual(found["h2"].protocols, Protocols(True, H2, HTTP1))
        self.assertEqual(found["grpc"].protocols, Protocols(False, H2, H2C))
        self.assertTrue(found["tls-resumed"].resume)

    def test_what_is_not_said_has_its_default(self) -> None:
        plain = scenario()
        self.assertEqual((plain.method, plain.keep_alive, plain.routes, plain.rate), ("GET", True, 0, 0))
        self.assertEqual(plain.layouts, (Layout(1, 1),))
        self.assertEqual((plain.protocols, plain.streams, plain.resume, plain.grpc), (PLAIN, 1, False, False))

    def test_mistakes_are_refused_with_their_place(self) -> None:
        mistakes = {
            "conections = 5\n[request]": "unknown key 'conections'",
            '[request]\nverb = "GET"': "[request]: unknown key 'verb'",
            '[request.headers]\n"a b" = "x"\n[request]': "is no request field",
            '[request.headers]\na = "x\\r\\nb: c"\n[request]': "is no request field",
            "rate = 5000\n[request]": "a latency scenario needs a rate",
            "routes = 0.5\n[request]": "routes must be of type int",
            "keep_alive = 1\n[request]": "keep_alive must be of type bool",
            'layouts = ["0"]\n[request]': "layouts must be",
            'layouts = ["3"]\n[request]': "multiple of the cores",
            "sweep = [5, 4]\n[request]": "rising rates",
            'protocol = "h3"\n[request]': "protocol must be http/1.1 or h2",
            'upstream = "h2"\n[request]': "upstream must be http/1.1 or h2c",
            "streams = 5\n[request]": "only HTTP/2 has streams",
            "tls = true\nresume = true\n[request]": "only sessions of TLS resume",
            'protocol = "h2"\nkeep_alive = false\n[request]': "a scenario of HTTP/2 keeps",
            'protocol = "h2"\nupstream = "h2c"\n[request]': "gRPC is a POST",
            "[request]\ngrpc = true": "gRPC is a POST",
            "[request]\nbody_bytes = -1": "body_bytes must be from 0",
            "[request": "sample: ",
        }
        for change, complaint in mistakes.items():
            with self.subTest(change), self.assertRaises(Failure) as refused:
                parse(SOUND.replace("[request]", change), "sample")
            self.assertIn(complaint, str(refused.exception))

    def test_values_are_checked(self) -> None:
        changes = {
            ("connections = 100", "connections = 0"): "connections must be from 1",
            ("connections = 100", "connections = true"): "connections must be of type int",
            ("connections = 100", ""): "connections is missing",
            ('"cpu"', '"gpu"'): "kind must be one of",
            ('"/bytes/100"', '"bytes"'): "the target must begin with /",
            ('"/bytes/100"', '"/a b"'): "the target must begin with /",
        }
        for (before, after), complaint in changes.items():
            with self.subTest(after), self.assertRaises(Failure) as refused:
                parse(SOUND.replace(before, after), "sample")
            self.assertIn(complaint, str(refused.exception))

    def test_a_file_calls_itself_by_its_name(self) -> None:
        with self.assertRaisesRegex(Failure, "calls itself 'sample'"):
            parse(SOUND, "other")

    def test_layouts_say_processes_and_workers(self) -> None:
        self.assertEqual(Layout.parse("2"), Layout(1, 2))
        self.assertEqual(Layout.parse("2x3"), Layout(2, 3))
        self.assertEqual(Layout(2, 3).cores, 6)
        for wrong in ("", "0", "x2", "2x", "2x0", "100", "-1", "2x1x1"):
            self.assertIsNone(Layout.parse(wrong), wrong)
