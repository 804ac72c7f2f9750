"""The command line of `compare`: arguments become a comparison, and a comparison becomes a folder of results."""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from comparison import host, plots, tables
from comparison.contenders import CONFIGS, Contender, all_contenders
from comparison.figures import Failure
from comparison.generators import Generator, H2load, RingwayLoad, Wrk
from comparison.installing import build_ringway_load, install, newest
from comparison.measure import Settings, Stage, measure, progress, seconds_of
from comparison.origins import NginxOrigin, RingwayOrigin
from comparison.processes import ROOT, find, lift_file_limit, need
from comparison.results import Side, has_errors, sides_of
from comparison.scenarios import Scenario, read_all

SCENARIOS = CONFIGS.parent / "scenarios"
RESULTS = CONFIGS.parent / "results"
# Where cargo puts it: with the target directory that README.md names, and with its default one.
RINGWAY_LOAD = tuple(ROOT / place / "release/ringway-load" for place in ("target/loadtest", "loadtest/target"))
# Whose package Debian has, by the name of the program.
PACKAGES = {"wrk": "wrk", "nginx": "nginx", "h2load": "nghttp2-client"}
# Beside the connections of a scenario a process has files, epolls, rings, and connections to the origin.
FILES_BESIDE = 2048


def main() -> int:
    """Runs the program; returns its exit code: 0 done, 1 failed or wrong answers, 2 wrong arguments, 130 stopped."""
    # Without these the `with` blocks would not run when the script is told to stop.
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, lambda number, _frame: sys.exit(128 + number))
    try:
        return run(sys.argv[1:])
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        progress("")
        print(f"compare: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress("")
        print("compare: stopped; all that it started has ended", file=sys.stderr)
        return 128 + signal.SIGINT


def run(words: Sequence[str]) -> int:
    scenarios = read_all(SCENARIOS)
    options = arguments(scenarios, words)
    if options.newest:
        newest(options.install)
    if options.list:
        print(listing(scenarios, all_contenders(options.binary)), end="")
        return 0
    if options.redraw:
        data = json.loads((options.redraw / "results.json").read_text(encoding="utf-8"))
        print(tell(data, options.redraw), end="")
        return 0
    contenders = choose(options)
    find_tools(options, contenders)
    settings = Settings(
        options.rounds,
        options.seconds,
        options.gateway_cores,
        options.load_cores,
        generator_of(options),
        NginxOrigin() if options.origin == "nginx" else RingwayOrigin(options.load_binary),
        not options.quick,
        options.fields == "gateway",
    )
    chosen = playable([scenarios[name] for name in options.scenarios], settings)
    lift_file_limit(max(scenario.connections for scenario in chosen) + FILES_BESIDE)
    return compare(chosen, contenders, settings, options)


# ------------------------------------------------------------------------------------------------ arguments


def arguments(scenarios: dict[str, Scenario], words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compare",
        description="CPU per request, latency and memory of Ringway next to "
        "other gateways, interleaved on one machine. loadtest/README.md has the method.",
    )
    add_what(parser, scenarios)
    add_how(parser)
    options = parser.parse_args(words)
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    if not 1 <= options.seconds <= 600 or not 1 <= options.rounds <= 100:
        parser.error("a run takes from 1 to 600 seconds, and a comparison from 1 to 100 rounds")
    options.scenarios = options.scenarios.split(",") if options.scenarios else list(scenarios)
    if unknown := [name for name in options.scenarios if name not in scenarios]:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(scenarios)}")
    known = all_contenders(options.binary)
    options.peers = options.peers.split(",") if options.peers else None
    if unknown := [name for name in options.peers or [] if name not in known]:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(known)}")
    return options


def add_what(parser: argparse.ArgumentParser, scenarios: dict[str, Scenario]) -> None:
    names = list(all_contenders(""))
    parser.add_argument("--scenarios", metavar="A,B", help=f"which of {', '.join(scenarios)} (default all)")
    parser.add_argument(
        "--peers",
        metavar="A,B",
        help="which gateways to compare Ringway with; ratios are to the first one "
        "(default those of nginx, haproxy, envoy, caddy, traefik that are installed)",
    )
    parser.add_argument("--only", choices=names, help="one gateway alone, no ratio")
    parser.add_argument(
        "--self",
        choices=names,
        nargs="?",
        const="ringway",
        dest="itself",
        help="one gateway against itself: the noise floor (default ringway)",
    )
    parser.add_argument("--binary", default=str(ROOT / "target/release/ringway"), help="the ringway to run")
    parser.add_argument("--load-binary", help="the ringway-load to use")
    parser.add_argument("--list", action="store_true", help="say what scenarios and gateways there are, and end")


def add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="rounds of A B C C B A (default 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round of one second, no sweep: about two minutes")
    parser.add_argument(
        "--fields",
        choices=["gateway", "bare"],
        default="gateway",
        help="gateway: each tells the origin of the client, by X-Forwarded-For, -Proto, -Host and a request id; "
        "bare: each what it tells by itself, which is nothing for nginx, HAProxy and Envoy (default gateway)",
    )
    parser.add_argument(
        "--generator",
        choices=["ringway-load", "wrk", "h2load"],
        help="who asks (default ringway-load where it is built, else wrk; what one cannot play is left out)",
    )
    parser.add_argument(
        "--origin", choices=["ringway-load", "nginx"], help="who answers (default as for the generator)"
    )
    parser.add_argument(
        "--gateway-cores", type=cores, default=(0,), metavar="LIST", help="cores of the gateway (default 0)"
    )
    parser.add_argument(
        "--load-cores", type=cores, default=(1,), metavar="LIST", help="cores of generator and origin (default 1)"
    )
    parser.add_argument(
        "--results",
        type=pathlib.Path,
        metavar="FOLDER",
        help="where the results go (default loadtest/results/<date-time>)",
    )
    parser.add_argument(
        "--redraw",
        type=pathlib.Path,
        metavar="FOLDER",
        help="make tables and pictures of the results there anew, and end",
    )
    parser.add_argument(
        "--newest",
        action="store_true",
        help="nginx and HAProxy as Debian's newest suite has them, in target/peers/newest (with --install it is put "
        "there; as root)",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="first install what is asked for and missing: from Debian, or from PyPI into target/peers",
    )


def cores(text: str) -> tuple[int, ...]:
    """A list of cores as taskset takes it: "0", "0,2", "1-3"."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    allowed = os.sched_getaffinity(0)
    if not found or not set(found) <= allowed:
        raise argparse.ArgumentTypeError(f"the cores are {', '.join(map(str, sorted(allowed)))}")
    return tuple(found)


def choose(options: argparse.Namespace) -> list[Contender]:
    """The contenders in the order of the tables; the first one is what the others are held against."""
    known = all_contenders(options.binary)
    if options.only or options.itself:
        return [known[options.only or options.itself]]
    peers = options.peers
    if peers is None:
        peers = [name for name, who in known.items() if name != "ringway" and find(who.program)]
        peers = peers or (["nginx"] if options.install else [])
    if not peers:
        raise Failure("no gateway to compare with is installed: compare --install, or --only ringway")
    return [known[name] for name in dict.fromkeys([*peers, "ringway"])]


def find_tools(options: argparse.Namespace, contenders: Sequence[Contender]) -> None:
    """Decides who asks and who answers, and sees that everybody is there, installing them where that was asked for."""
    options.load_binary = options.load_binary or built_ringway_load()
    ours = "ringway-load" if options.load_binary or options.install else None
    options.generator = options.generator or ours or "wrk"
    options.origin = options.origin or ours or "nginx"
    tools = {options.generator, options.origin}
    if options.install:
        packages = [who.package for who in contenders if who.package and not find(who.program)]
        install([*packages, *(PACKAGES[tool] for tool in tools if tool in PACKAGES and not find(tool))])
        if "ringway-load" in tools and not options.load_binary:
            build_ringway_load()
            options.load_binary = built_ringway_load()
    for who in contenders:
        if not find(who.program):
            hint = "cargo build --release" if who.name == "ringway" else f"compare --install --peers {who.name}"
            raise Failure(f"{who.program} is not there ({hint})")
    for tool in tools - {"ringway-load"}:
        need(tool)
    if "ringway-load" in tools and not find(options.load_binary or ""):
        raise Failure("ringway-load is not there (compare --install, or --generator wrk --origin nginx)")


def generator_of(options: argparse.Namespace) -> Generator:
    """The generator that the options name."""
    if options.generator == "ringway-load":
        return RingwayLoad(options.load_binary)
    return H2load() if options.generator == "h2load" else Wrk()


def built_ringway_load() -> str | None:
    """The project's own generator and origin, where cargo has put it."""
    return next((str(path) for path in RINGWAY_LOAD if path.exists()), None)


def playable(scenarios: Sequence[Scenario], settings: Settings) -> list[Scenario]:
    """The scenarios that the generator can play; says which it cannot."""
    found = []
    for scenario in scenarios:
        if missing := settings.generator.cannot(scenario):
            print(f"compare: {scenario.name} is left out: {settings.generator.name} has no {missing}", file=sys.stderr)
        else:
            found.append(scenario)
    if not found:
        raise Failure("nothing is left to measure")
    return found


def listing(scenarios: dict[str, Scenario], contenders: dict[str, Contender]) -> str:
    lines = ["scenarios:"]
    lines += [f"  {scenario.name:<15} {scenario.kind:<8} {scenario.description}" for scenario in scenarios.values()]
    lines.append("gateways:")
    for name, who in contenders.items():
        lines.append(f"  {name:<15} {who.version_text() if find(who.program) else 'not installed'}")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------ the comparison


def compare(
    scenarios: Sequence[Scenario], contenders: Sequence[Contender], settings: Settings, options: argparse.Namespace
) -> int:
    known = {who.name: who for who in contenders}
    plays = [(scenario, sides_of(scenario, list(known), options.itself is not None)) for scenario in scenarios]
    surroundings = host.environment(settings, contenders, options.binary)
    folder = options.results or RESULTS / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    print(introduction(surroundings), flush=True)
    minutes = sum(seconds_of(scenario, sides, settings) for scenario, sides in plays) / 60
    print(f"about {max(1, round(minutes))} minute{'s' if minutes >= 1.5 else ''}\n", flush=True)
    data: dict = {"environment": surroundings, "scenarios": []}
    failed, kind = [], None
    for scenario, sides in plays:
        try:
            entry = play(scenario, sides, known, settings, folder)
        except Failure as failure:
            # What the other scenarios say stays true.
            progress("")
            failed.append(scenario.name)
            print(f"{scenario.name:<15} FAILED: {failure}\n", flush=True)
            continue
        progress("")
        print(tables.heading(entry["kind"], kind) + tables.terminal(entry), flush=True)
        kind = entry["kind"]
        data["scenarios"].append(entry)
        # Written after each scenario: an hour of measuring survives a Ctrl-C in its last minute.
        write_text(folder / "results.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        tell(data, folder)
    print(f"results: {folder}")
    if failed:
        print(f"compare: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or has_errors(data["scenarios"]) else 0


def play(
    scenario: Scenario, sides: Sequence[Side], known: dict[str, Contender], settings: Settings, folder: pathlib.Path
) -> dict:
    """Measures one scenario and publishes the configurations that ran."""
    # The configurations and nginx's files on tmpfs, where there is one: no disk in the measurement.
    room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ringway-compare-", dir=room) as name:
        directory = pathlib.Path(name)
        # nginx drops root's rights for its workers, and they read here.
        directory.chmod(0o755)
        entry = measure(Stage(scenario, sides, known, directory, settings))
        publish_configurations(directory, folder / "configs" / scenario.name)
    return entry


def introduction(surroundings: dict) -> str:
    """What runs, and where."""
    versions = "\n".join(f"  {name}: {version}" for name, version in surroundings["versions"].items())
    return (
        f"{surroundings['cpu']}, {surroundings['cores']} cores, Linux {surroundings['kernel']}, load "
        f"{surroundings['load_average']:.2f}; rounds: {surroundings['rounds']}, seconds of a run: "
        f"{surroundings['seconds']:g}\n{versions}"
    )


def publish_configurations(directory: pathlib.Path, folder: pathlib.Path) -> None:
    """Copies what was made from templates, each side's once."""
    for path in sorted([*directory.glob("start-*/*/*"), *directory.glob("origin/*"), *directory.glob("*")]):
        place = folder / path.parent.name.removeprefix(directory.name) / path.name
        if path.is_file() and (CONFIGS / f"{path.name}.template").exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def tell(data: dict, folder: pathlib.Path) -> str:
    """Writes the tables and the pictures of `data` into `folder`; returns the table for a terminal."""
    entries = data["scenarios"]
    text = tables.whole(entries)
    files = {"table.txt": text, "table.md": tables.markdown(entries)}
    files |= plots.pictures(entries, host.short(data["environment"]))
    for name, content in files.items():
        write_text(folder / name, content)
    return text


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces the file at once: whoever stops the script finds the old text or the new one, never a half."""
    half = path.with_name(f"{path.name}.new")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
