"""One scenario from start to end: gateways and origin start, prove themselves, and are loaded in interleaved rounds."""

import contextlib
import dataclasses
import math
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from comparison.clients import (
    ANSWER_SECONDS_MAX,
    BATCH,
    await_service,
    check_answers,
    check_handshakes,
    check_resting,
    resting_connections,
)
from comparison.contenders import Contender, Setting
from comparison.figures import Failure, there_and_back
from comparison.generators import Generator, Job, Outcome
from comparison.origins import Origin
from comparison.processes import (
    Memory,
    Process,
    free_port,
    machine_busy_ns,
    outputs_of,
    own_cpu_seconds,
    pinned,
    summed,
)
from comparison.protocols import Certificate
from comparison.results import HOPELESS, Side, is_full, memory_entry, traffic_entry
from comparison.scenarios import H2, Scenario

WARM_UP_SECONDS = 1
# What a start with its proof, and what lies between two runs takes, for the estimate of the whole.
START_SECONDS = 0.5
BETWEEN_SECONDS = 0.15
# How long a run may take beyond its own time.
PATIENCE_SECONDS = 30
# Answers that come later than this share of a run after its end are a queue, not stragglers.
DRAIN_SHARE = 0.1
SETTLE_SECONDS_MAX = 5
SETTLED_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line says about measuring."""

    rounds: int
    seconds: float
    gateway_cores: tuple[int, ...]
    load_cores: tuple[int, ...]
    generator: Generator
    origin: Origin
    sweep: bool = True
    # Whether all gateways tell the origin of the client, or each what it tells by itself.
    tells: bool = True


@dataclasses.dataclass(frozen=True)
class Places:
    """The cores of a scenario; `shared` when the load has none of its own."""

    gateway: list[int]
    load: list[int]
    shared: bool

    @classmethod
    def choose(cls, settings: Settings, cores_needed: int, allowed: Sequence[int]) -> "Places":
        """The cores that were asked for, where they are enough; else the gateway gets others too, and the load what is
        left of its own, or of all, or a share of the gateway's."""
        asked, load = list(settings.gateway_cores), list(settings.load_cores)
        if cores_needed <= len(asked):
            gateway = asked[:cores_needed]
            return cls(gateway, load, bool(set(gateway) & set(load)))
        gateway = [*asked, *(core for core in allowed if core not in asked)][:cores_needed]
        if len(gateway) < cores_needed:
            raise Failure(f"this takes {cores_needed} cores and there are {len(gateway)}")
        free = [core for core in load if core not in gateway] or [core for core in allowed if core not in gateway]
        return cls(gateway, free or gateway, not free)


class Gateway:
    """One side, running: a process of its contender for each that its layout asks for."""

    def __init__(self, side: Side, contender: Contender, setting: Setting, cores: Sequence[int]):
        self.side, self.processes = side, []
        workers = side.layout.workers
        for number in range(side.layout.processes):
            mine, port = list(cores[number * workers : (number + 1) * workers]), free_port()
            # A folder's name from a label: letters, digits and single dashes.
            name = re.sub(r"[^0-9A-Za-z]+", "-", side.label) + (f"-{number + 1}" if side.layout.processes > 1 else "")
            config = setting.write(contender, name, port, workers, mine)
            self.processes.append(
                Process(contender.command(config, workers), mine, port, contender.more_environment(workers))
            )

    def __enter__(self) -> "Gateway":
        with contextlib.ExitStack() as stack:
            for process in self.processes:
                stack.enter_context(process)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def cpu_ns(self) -> int:
        return sum(process.cpu_ns() for process in self.processes)

    def memory(self) -> Memory:
        return summed([process.memory() for process in self.processes])

    def check(self, stage: "Stage") -> None:
        for process in self.processes:
            if stage.scenario.protocols.downstream == H2:
                check_calls(stage, process.port, self.side.label)
                continue
            await_service(process.port, stage.scenario)
            check_answers(process.port, self.side.label, stage.scenario)

    def check_alive(self) -> None:
        for process in self.processes:
            process.check_alive()


class Stage:
    """A scenario about to be played: its sides, its cores, and a directory for what is written on the way."""

    def __init__(
        self,
        scenario: Scenario,
        sides: Sequence[Side],
        contenders: Mapping[str, Contender],
        directory: pathlib.Path,
        settings: Settings,
    ):
        self.scenario, self.sides, self.contenders = scenario, sides, contenders
        self.directory, self.settings = directory, settings
        self.places = Places.choose(settings, scenario.cores, sorted(os.sched_getaffinity(0)))
        certificate = Certificate.in_directory(directory)
        if scenario.protocols.tls:
            certificate.make()
        self.setting = Setting(
            directory, free_port(), scenario.routes, scenario.protocols, certificate, settings.tells
        )
        self.started = 0

    def origin(self) -> Process:
        return self.settings.origin.process(self.scenario, self.directory, self.setting.origin_port, self.places.load)

    def gateway(self, side: Side) -> Gateway:
        # Written once: a gateway that starts again for another round reads an equal file on another port.
        self.started += 1
        directory = self.directory / f"start-{self.started:03}"
        directory.mkdir()
        setting = dataclasses.replace(self.setting, directory=directory)
        return Gateway(side, self.contenders[side.contender], setting, self.places.gateway)

    def notes(self) -> list[str]:
        shared = "the load shares the gateway's cores: costs are comparable with each other, not with other scenarios"
        return [shared] if self.places.shared else []


def measure(stage: Stage) -> dict:
    """Plays the scenario and returns its entry."""
    kind, sides, scenario = stage.scenario.kind, stage.sides, stage.scenario
    if kind == "memory":
        return memory_entry(scenario, sides, list(memory_runs(stage)), stage.notes())
    return traffic_entry(scenario, sides, list(traffic_runs(stage)), stage.notes())


def seconds_of(scenario: Scenario, sides: Sequence[Side], settings: Settings) -> float:
    """About how long the scenario takes: starts, warm-ups and stops of each side, and its runs."""
    if scenario.kind == "memory":
        return settings.rounds * len(sides) * (START_SECONDS + scenario.connections / 4000)
    others = len(set(scenario.sweep) - {scenario.rate}) if settings.sweep else 0
    runs = settings.rounds * (len(there_and_back(len(sides))) + others * len(sides))
    return len(sides) * (START_SECONDS + WARM_UP_SECONDS) + runs * (settings.seconds + BETWEEN_SECONDS)


# ------------------------------------------------------------------------------------------------ cpu and latency


def traffic_runs(stage: Stage) -> Iterator[dict]:
    scenario, settings = stage.scenario, stage.settings
    rates = sorted({scenario.rate, *(scenario.sweep if settings.sweep else ())})
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(stage.origin())
        gateways = [stack.enter_context(stage.gateway(side)) for side in stage.sides]
        for gateway in gateways:
            gateway.check(stage)
            load(stage, gateway, origin, WARM_UP_SECONDS, min(rates))
        for number in range(1, settings.rounds + 1):
            # A gateway that is far behind at one rate is not asked at higher ones: its queue would only grow longer.
            behind: set[int] = set()
            for rate in rates:
                for index in order_of(number, len(gateways), rate == scenario.rate):
                    if index in behind and rate != scenario.rate:
                        continue
                    at = f" at {rate:,}/s" if rate else ""
                    progress(f"{scenario.name}: round {number} of {settings.rounds}, {stage.sides[index].label}{at}")
                    run = load(stage, gateways[index], origin, settings.seconds, rate)
                    if scenario.resume and (run["full_handshakes"] or 0) > scenario.connections:
                        raise Failure(f"{run['side']} resumed too few sessions: {run['full_handshakes']} were full")
                    if run["requests"] == 0:
                        raise Failure(f"{run['side']} answered nothing{at}: {run['errors']}")
                    behind |= {index} if is_full(run, HOPELESS) else set()
                    yield {"round": number, **run}


def order_of(number: int, count: int, is_main: bool) -> list[int]:
    """The order of round `number`. The many rates of a sweep go there in one round and back in the next."""
    if is_main:
        return there_and_back(count)
    return list(range(count)) if number % 2 else list(reversed(range(count)))


def load(stage: Stage, gateway: Gateway, origin: Process, seconds: float, rate: int) -> dict:
    """Loads `gateway` for `seconds` and returns what that cost it: one run."""
    commands = lanes(stage, gateway, seconds, rate)
    cpu, others, busy, spent = gateway.cpu_ns(), origin.cpu_ns(), machine_busy_ns(), own_cpu_seconds()
    started = time.monotonic()
    printed = outputs_of(commands, seconds + PATIENCE_SECONDS)
    wall = time.monotonic() - started
    cpu, others, busy = gateway.cpu_ns() - cpu, origin.cpu_ns() - others, machine_busy_ns() - busy
    spent = own_cpu_seconds() - spent
    gateway.check_alive()
    origin.check_alive()
    outcomes = [stage.settings.generator.outcome(text) for text in printed]
    run = {"side": gateway.side.label, "rate": rate, **merged(outcomes, wall), "cpu_us": cpu / 1e3}
    return {
        **run,
        "gateway_busy": cpu / 1e9 / wall,
        "load_busy": (others / 1e9 + spent) / wall / len(stage.places.load),
        "foreign_busy": max(0.0, (busy - cpu - others) / 1e9 - spent) / wall,
    }


def check_calls(stage: Stage, port: int, who: str) -> None:
    """Fails unless the gateway does the work of a scenario of HTTP/2, which Python's own client does not speak: the
    generator asks twice, and counts what comes."""
    scenario, generator = stage.scenario, stage.settings.generator
    command = generator.command(Job(scenario, port, 1, 0, requests=2), stage.directory)
    deadline, wrong = time.monotonic() + ANSWER_SECONDS_MAX, "nothing"
    # Some listen before they have their routes.
    while time.monotonic() < deadline:
        try:
            outcome = generator.outcome(outputs_of([pinned(command, stage.places.load)], PATIENCE_SECONDS)[0])
        except Failure as failure:
            wrong = str(failure)
        else:
            if outcome.requests == 2 and outcome.body_bytes in (None, 2 * scenario.answer_bytes):
                return check_handshakes(port, who, scenario) if scenario.protocols.tls else None
            wrong = f"{outcome.requests} of 2 right, {outcome.body_bytes} bytes, {outcome.errors}"
        time.sleep(0.05)
    raise Failure(f"{who} does not answer {scenario.target} as it should: {wrong}")


def lanes(stage: Stage, gateway: Gateway, seconds: float, rate: int) -> list[list[str]]:
    """The generators' commands: one, or one for each core of the widest layout, so that all layouts get the same."""
    count, cores, commands = stage.scenario.cores, stage.places.load, []
    for lane in range(count):
        port = gateway.processes[lane % len(gateway.processes)].port
        job = Job(stage.scenario, port, stage.scenario.connections // count, seconds, rate // count)
        mine = cores if count == 1 else [cores[lane % len(cores)]]
        commands.append(pinned(stage.settings.generator.command(job, stage.directory), mine))
    return commands


def merged(outcomes: Sequence[Outcome], wall: float) -> dict:
    """Several lanes as one: sums, and the worst lane's latencies (percentiles cannot be averaged)."""
    errors: dict[str, int] = {}
    for outcome in outcomes:
        for kind, count in outcome.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    return {
        "requests": sum(outcome.requests for outcome in outcomes),
        "requests_per_second": sum(answered_rate(outcome, wall) for outcome in outcomes),
        "p50_us": worst(outcome.p50_us for outcome in outcomes),
        "p99_us": worst(outcome.p99_us for outcome in outcomes),
        "p999_us": worst(outcome.p999_us for outcome in outcomes),
        "max_us": worst(outcome.max_us for outcome in outcomes),
        "send_late_us": worst(outcome.send_late_us for outcome in outcomes),
        "full_handshakes": worst(outcome.full_handshakes for outcome in outcomes),
        "errors": errors,
    }


def answered_rate(outcome: Outcome, wall: float) -> float:
    """Answers per second. An open loop reports on all requests that were due in its time, however late their answers
    came, so that a queue that drained afterwards counts as time here; a few late ones at the end do not."""
    late = min((outcome.max_us or 0) / 1e6, max(0.0, wall - outcome.seconds))
    return outcome.requests / (outcome.seconds + (late if late > DRAIN_SHARE * outcome.seconds else 0))


def worst(values: Iterable[float | None]) -> float | None:
    """The largest of those that are known."""
    return max((value for value in values if value is not None), default=None)


# ------------------------------------------------------------------------------------------------ memory


def memory_runs(stage: Stage) -> Iterator[dict]:
    """Each run has a gateway of its own: memory that was once taken would hide what the next round takes."""
    scenario, settings = stage.scenario, stage.settings
    with stage.origin() as origin:
        for number in range(1, settings.rounds + 1):
            for side in stage.sides:
                progress(f"{scenario.name}: round {number} of {settings.rounds}, {side.label}")
                with stage.gateway(side) as gateway:
                    gateway.check(stage)
                    yield {"round": number, **rest(gateway, scenario)}
                origin.check_alive()


def rest(gateway: Gateway, scenario: Scenario) -> dict:
    """Lets the scenario's connections rest at `gateway` and returns what they take: one run."""
    port = gateway.processes[0].port
    with resting_connections(port, scenario, BATCH):
        pass
    before = settled(gateway)
    with resting_connections(port, scenario, scenario.connections) as clients:
        after = settled(gateway)
        check_resting(clients, gateway.side.label)
    gateway.check_alive()
    each = {kind: size / scenario.connections for kind, size in dataclasses.asdict(after - before).items()}
    return {
        "side": gateway.side.label,
        "before": dataclasses.asdict(before),
        "after": dataclasses.asdict(after),
        "per_connection": each,
    }


def settled(gateway: Gateway) -> Memory:
    """The gateway's memory once it stands still, or after some seconds."""
    deadline, last = time.monotonic() + SETTLE_SECONDS_MAX, Memory(0, 0, 0, 0)
    moved = math.inf
    while moved > SETTLED_BYTES and time.monotonic() < deadline:
        time.sleep(0.5)
        now = gateway.memory()
        moved, last = abs(now.rss - last.rss), now
    return last


def progress(text: str) -> None:
    """Says what runs, to a person only: one line that the next one replaces; "" takes the last one away."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}{' …' if text else ''}", end="", file=sys.stderr, flush=True)
