"""Plays cases through the gateway to one origin, and judges what came of them."""

import concurrent.futures
import dataclasses
import pathlib
import tempfile
import threading
import time

import known
from gateway import Gateway
from judge import Judge, Outcome
from model import Message, read
from mutate import Case, Maker
from origins import Origin, Running, run
from play import Client, play

CLIENTS = 8
BARRIER = "barrier"
REQUEST = b"%s %s HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n"
PATIENCE_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to play."""

    binary: pathlib.Path
    maker: Maker
    requests: int
    only: int | None
    """One case alone."""


def play_all(plan: Plan, origin: Origin) -> Judge:
    """Plays the cases of one origin and judges them when everybody has ended."""
    with tempfile.TemporaryDirectory(prefix="differential-") as name:
        directory = pathlib.Path(name)
        with run(origin, directory) as running:
            prove(origin, running)
            gateway = Gateway(plan.binary, directory, running.port)
            try:
                outcomes = play_cases(plan, gateway.port)
            finally:
                gateway.stop()
            ask(running, b"GET", b"/", BARRIER)
        records = [record for record in running.records() if record["id"] != BARRIER]
        return judge_all(origin, outcomes, gateway.entries(), records)


def play_cases(plan: Plan, port: int) -> list[Outcome]:
    """Plays cases until enough requests were sent, several at a time."""
    cases = Cases(plan)

    def client() -> list[Outcome]:
        outcomes = []
        while taken := cases.take():
            case, messages = taken
            played = play(address(case.number), port, case.pieces, messages)
            outcomes.append(Outcome(case.number, case.stream, messages, played))
        return outcomes

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(client) for _ in range(CLIENTS)]
        return [outcome for future in futures for outcome in future.result()]


class Cases:
    """Hands out cases until they hold enough requests."""

    def __init__(self, plan: Plan) -> None:
        self._lock = threading.Lock()
        self._maker = plan.maker
        self._number = plan.only or 0
        self._left = 1 if plan.only is not None else plan.requests

    def take(self) -> tuple[Case, list[Message]] | None:
        """The next case and what the model reads in it."""
        with self._lock:
            while self._left > 0:
                case = self._maker.case(self._number)
                messages = read(case.stream)
                self._number += 1
                self._left -= max(1, len(messages))
                if messages:
                    return case, messages
        return None


def address(number: int) -> str:
    """An address on the loopback for each case: the gateway's log tells them apart by it."""
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def judge_all(origin: Origin, outcomes: list[Outcome], entries: dict[str, list[dict]], records: list[dict]) -> Judge:
    """Judges what was played."""
    judge = Judge(origin.name, records)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.number):
        outcome.entries = entries.get(address(outcome.number), [])
        judge.judge(outcome)
    judge.finish()
    return judge


def prove(origin: Origin, running: Running) -> None:
    """Shows each known difference of this origin on the origin alone."""
    for rule in (rule for rule in known.RULES if origin.name in rule.origins):
        request, record = ask(running, rule.method, rule.proof, "proof")
        as_received = [("target", "", record["target"] or ""), ("method", "", record["method"])]
        seen = {(name, bytes.fromhex(shown)) for name, _, shown in [*record["views"], *as_received]}
        if not any((name, rule.explains(request)) in seen for name in rule.views):
            raise RuntimeError(f"{origin.name} alone does not show “{rule.name}” for {rule.proof!r}: {seen}")
    if origin.name in known.ANSWERS_ITSELF:
        answer = exchange(running, REQUEST % (b"OPTIONS", b"*", b"itself"))
        if not answer.startswith(b"HTTP/1.1 200 ") or any(record["id"] == "itself" for record in running.records()):
            raise RuntimeError(f"{origin.name} does not answer OPTIONS * by itself: {answer!r}")
    # Servers hold the file open, so it is emptied, not removed.
    running.log.write_bytes(b"")


def ask(running: Running, method: bytes, target: bytes, name: str) -> tuple[Message, dict]:
    """Asks the origin without a gateway; returns the request and the origin's record of it.

    What a server reads from one connection after the other it has read before this: an asynchronous one serves in turn.
    """
    request = REQUEST % (method, target, name.encode())
    exchange(running, request)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for record in reversed(running.records()):
            if record["id"] == name:
                return read(request)[0], record
        time.sleep(0.01)
    raise RuntimeError(f"the origin did not record {request!r}")


def exchange(running: Running, request: bytes) -> bytes:
    """What the origin answers when nobody stands between."""
    client = Client("127.0.0.1", running.port)
    with client.socket:
        client.send([request])
        return client.rest()
