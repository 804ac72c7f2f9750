"""TLS and HTTP/2: every gateway is told what to speak, and the generator that is not ours says what came of it."""

import pathlib
import socket
import subprocess
import tempfile
import threading
import tomllib
import unittest

from comparison import app
from comparison.clients import handshaken, tls_context
from comparison.contenders import Setting, all_contenders
from comparison.figures import Failure
from comparison.generators import H2load, Job, Wrk, grpc_message
from comparison.processes import find
from comparison.protocols import Certificate
from comparison.scenarios import H2, H2C, HTTP1, PLAIN, Protocols, read_all
from comparison.tests.samples import scenario

SAID = """finished in 1.00s, 16528.00 req/s, 1.10MB/s
requests: 16592 total, 17104 started, 16592 done, 16528 succeeded, 64 failed, 1 errored, 2 timeout
status codes: 16549 2xx, 0 3xx, 64 4xx, 0 5xx
traffic: 2.20MB (2302113) total, 264.10KB (270433) headers (space savings 92.55%), 1.58MB (1652800) data
"""


class Configurations(unittest.TestCase):
    def filled(self, name: str, spoken: Protocols) -> str:
        with tempfile.TemporaryDirectory() as directory:
            pair = Certificate.in_directory(pathlib.Path("/made"))
            setting = Setting(pathlib.Path(directory), 9001, 0, spoken, pair)
            setting.write(all_contenders("ringway")[name], "side", 8001, 1, [0])
            return "".join(path.read_text() for path in pathlib.Path(directory, "side").iterdir())

    def test_every_gateway_is_told_what_to_speak(self) -> None:
        # What a configuration has with TLS, with HTTP/2 to clients without it, and with HTTP/2 to the origin.
        parts = {
            "nginx": (" ssl", " http2", "grpc_pass"),
            "haproxy": ("both.pem", "proto h2 backlog", "1h proto h2"),
            "envoy": ("DownstreamTlsContext", "codec_type: HTTP2", "http2_protocol_options"),
            "caddy": ("https://:8001", "protocols h1 h2c", "versions h2c"),
            "traefik": ("certFile", "127.0.0.1:8001", '"h2c://'),
            "ringway": ('tls       = "all"', '["h2"]', 'protocol         = "h2c"'),
        }
        self.assertEqual(set(parts), set(all_contenders("")))
        for name, (tls, h2, upstream) in parts.items():
            for spoken in (PLAIN, Protocols(True, HTTP1, HTTP1), Protocols(True, H2, HTTP1), Protocols(False, H2, H2C)):
                with self.subTest(f"{name} {spoken}"):
                    text = self.filled(name, spoken)
                    self.assertNotIn("${", text)
                    self.assertNotIn("{pass}", text)
                    self.assertEqual(tls in text, spoken.tls)
                    self.assertEqual(upstream in text, spoken.upstream == H2C)
                    if spoken in (PLAIN, Protocols(False, H2, H2C)) and name != "traefik":
                        self.assertEqual(h2 in text, spoken.downstream == H2)

    def test_ringways_own_is_toml(self) -> None:
        for spoken in (PLAIN, Protocols(True, H2, HTTP1), Protocols(False, H2, H2C)):
            table = tomllib.loads(self.filled("ringway", spoken))
            self.assertEqual("tls" in table["listeners"]["web"], spoken.tls)
            self.assertEqual(table["upstreams"]["origin"].get("protocol"), H2C if spoken.upstream == H2C else None)

    @unittest.skipUnless(find("openssl"), "openssl makes the certificate")
    def test_the_certificate_is_a_pair_that_nobody_else_can_read(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            pair = Certificate.in_directory(pathlib.Path(directory))
            pair.make()
            text = subprocess.run(
                ["openssl", "x509", "-in", str(pair.both), "-noout", "-text"], capture_output=True, text=True, check=True
            ).stdout
            self.assertIn("prime256v1", text)
            self.assertIn("IP Address:127.0.0.1", text)
            self.assertEqual([path.stat().st_mode & 0o077 for path in (pair.key, pair.both)], [0, 0])


class Generators(unittest.TestCase):
    def test_what_a_generator_cannot_play_is_known(self) -> None:
        found = read_all(app.SCENARIOS)
        unplayable = {
            generator.name: [name for name, played in found.items() if generator.cannot(played)]
            for generator in (Wrk(), H2load())
        }
        self.assertEqual(unplayable["wrk"], ["latency", "tls-resumed", "h2", "h2c", "grpc"])
        self.assertEqual(unplayable["h2load"], ["close", "latency", "tls-full", "tls-resumed"])

    def test_what_h2load_prints_is_read(self) -> None:
        outcome = H2load().outcome(SAID)
        self.assertEqual((outcome.requests, outcome.seconds, outcome.body_bytes), (16528, 1.0, 1652800))
        self.assertEqual(outcome.errors, {"failed": 64, "errored": 1, "timeout": 2, "moved": 0})
        with self.assertRaisesRegex(Failure, "did not report"):
            H2load().outcome("nothing of use")

    @unittest.skipUnless(find("h2load"), "it is not installed")
    def test_h2load_is_told_the_scenario(self) -> None:
        call = read_all(app.SCENARIOS)["grpc"]
        with tempfile.TemporaryDirectory() as directory:
            command = " ".join(H2load().command(Job(call, 8001, 16, 1.5), pathlib.Path(directory)))
            body = pathlib.Path(directory, "h2load.body").read_bytes()
        self.assertEqual(body, grpc_message(32))
        for part in ("-c 16 -m 32 -D 1500ms", "-H te: trailers", "http://127.0.0.1:8001/grpc/100"):
            self.assertIn(part, command)

    def test_a_message_has_its_length_in_front(self) -> None:
        self.assertEqual(grpc_message(8), b"\0\0\0\0\x03xxx")


class Handshakes(unittest.TestCase):
    def test_who_speaks_no_tls_is_a_failure_and_no_hang(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closing = threading.Thread(target=lambda: listener.accept()[0].close())
            closing.start()
            with self.assertRaisesRegex(Failure, "no handshake"):
                handshaken(tls_context(scenario(more="tls = true\n")), listener.getsockname()[1])
            closing.join()
