"""Processes that a comparison starts: pinned, watched, counted, and ended by their ids whatever happens.

Their CPU time is read from their clocks (nanoseconds), their memory from `smaps_rollup`. Linux only.
"""

import contextlib
import dataclasses
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from comparison.figures import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 15
STOP_SECONDS_MAX = 5
# --install puts gateways from PyPI into the first one; Debian keeps servers where a user's PATH does not look.
PEERS = str(ROOT / "target/peers/bin")
MORE_PLACES = ("/usr/sbin", "/usr/local/sbin")
# Servers of a newer suite, in use only when asked for.
NEWEST = ROOT / "target/peers/newest"
preferred: list[str] = []


def find(program: str) -> str | None:
    """The full path of `program`, or None where it is not installed."""
    return shutil.which(program, path=os.pathsep.join((*preferred, PEERS, os.environ.get("PATH", ""), *MORE_PLACES)))


def need(program: str) -> str:
    """The full path of `program`, which must be there."""
    path = find(program)
    if path is None:
        raise Failure(f"{program} is not installed (compare --install, or apt-get install {program})")
    return path


def said_version(*command: str) -> str:
    """The first two words of what a program says of its version: its name and the number."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return " ".join((done.stdout + done.stderr).removeprefix("nginx version: ").split()[:2])


def pinned(command: Sequence[str], cores: Sequence[int]) -> list[str]:
    """`command` confined to `cores`; taskset becomes it, so that its process id is the command's."""
    return [need("taskset"), "-c", ",".join(map(str, cores)), *command]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Holds back Ctrl-C and its like: a second one must not stop the cleaning up after the first."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


@dataclasses.dataclass(frozen=True)
class Memory:
    """Memory of a process tree in bytes. `private` is user memory that no other process has a part in."""

    rss: int
    pss: int
    private: int
    anonymous: int

    def __sub__(self, other: "Memory") -> "Memory":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Memory(*(mine - theirs for mine, theirs in pairs))


class Process:
    """A server pinned to cores, with all processes it forks. Leaving the `with` block ends it."""

    def __init__(self, command: Sequence[str], cores: Sequence[int], port: int, more: Mapping[str, str] | None = None):
        self.command, self.cores, self.port = list(command), list(cores), port
        self.environment = {**os.environ, **(more or {})}

    def __enter__(self) -> "Process":
        self.said = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            pinned(self.command, self.cores),
            stdin=subprocess.DEVNULL,
            stdout=self.said,
            stderr=self.said,
            env=self.environment,
        )
        try:
            self.await_listening()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def await_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise Failure(
            f"{self.command[0]} does not listen on port {self.port} (exit code {self.child.poll()})\n{self.words()}"
        )

    def words(self) -> str:
        """The end of what it said so far."""
        self.said.seek(0)
        return self.said.read().decode(errors="replace")[-2000:]

    def check_alive(self) -> None:
        if self.child.poll() is not None:
            raise Failure(f"{self.command[0]} ended with code {self.child.returncode}\n{self.words()}")

    def end(self) -> None:
        with undisturbed():
            tree = {pid: started_at(pid) for pid in process_tree(self.child.pid)}
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(STOP_SECONDS_MAX)
            kill(tree)
            self.child.wait()
            self.said.close()

    def cpu_ns(self) -> int:
        """User and system time of all threads of all processes of the tree, ended threads included, in ns."""
        return sum(process_cpu_ns(pid) for pid in process_tree(self.child.pid))

    def memory(self) -> Memory:
        """The memory of all processes of the tree, in bytes; only `pss` counts a shared page once."""
        return summed([memory_of(pid) for pid in process_tree(self.child.pid)])


def kill(started: Mapping[int, str | None]) -> None:
    """Kills those that live of the processes with these ids and starts, and waits until they are gone.

    The start is compared because an id may belong to a stranger by now.
    """
    deadline, left = time.monotonic() + STOP_SECONDS_MAX, dict(started)
    while left and time.monotonic() < deadline:
        left = {pid: start for pid, start in left.items() if start is not None and started_at(pid) == start}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01 if left else 0)


def summed(parts: Sequence[Memory]) -> Memory:
    return Memory(*(sum(column) for column in zip(*map(dataclasses.astuple, parts), strict=True)))


def memory_of(pid: int) -> Memory:
    """The memory of one process, none where it has ended."""
    try:
        text = pathlib.Path("/proc", str(pid), "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return Memory(0, 0, 0, 0)
    return parse_rollup(text)


def parse_rollup(text: str) -> Memory:
    """The sums in the text of a `smaps_rollup`, which counts in KiB."""
    rows = [line.split() for line in text.splitlines()[1:]]
    sizes = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) >= 2}
    return Memory(sizes["Rss"], sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"], sizes["Anonymous"])


def process_cpu_ns(pid: int) -> int:
    # The clock id of a process's CPU time, as clock_getcpuclockid(3) makes it: exact where /proc counts 10 ms ticks.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def stat_of(pid: int) -> list[str] | None:
    """The columns of /proc/<pid>/stat behind the name, beginning with the state."""
    try:
        return pathlib.Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def started_at(pid: int) -> str | None:
    """When the process started, in ticks since boot: with its id that names it for ever. None for a dead one."""
    stat = stat_of(pid)
    return None if stat is None or stat[0] == "Z" else stat[19]


def process_tree(root: int) -> list[int]:
    """`root` and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := stat_of(int(entry))) is not None:
            children.setdefault(int(stat[1]), []).append(int(entry))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def machine_busy_ns() -> int:
    """Time that all cores spent on anything at all since boot, steal included, in ns (10 ms ticks)."""
    with pathlib.Path("/proc/stat").open(encoding="ascii") as stat:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * (10**9 // os.sysconf("SC_CLK_TCK"))


def own_cpu_seconds() -> float:
    """CPU time of this process and of all children that ended: the load generators among them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def outputs_of(commands: Sequence[Sequence[str]], seconds_max: float) -> list[str]:
    """Runs `commands` side by side to their end and returns what each printed. Ends them all when one fails."""
    children: list[subprocess.Popen] = []
    try:
        for command in commands:
            children.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
        said = [child.communicate(timeout=seconds_max) for child in children]
    except subprocess.TimeoutExpired as slow:
        raise Failure(f"{slow.cmd[0]} did not end within {seconds_max:g} s") from None
    finally:
        with undisturbed():
            for child in children:
                if child.poll() is None:
                    child.kill()
                child.wait()
                for pipe in filter(None, (child.stdout, child.stderr)):
                    pipe.close()
    for command, child, (out, errors) in zip(commands, children, said, strict=True):
        if child.returncode != 0:
            raise Failure(f"{' '.join(command)} failed with code {child.returncode}\n{(out + errors)[-2000:]}")
    return [out for out, _ in said]


def lift_file_limit(files_needed: int) -> None:
    """Lets this process and its children open as many files as the hard limit allows, and fails if that is too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < files_needed:
        raise Failure(f"{files_needed} open files are needed and {hard} are allowed: see scripts/tune-host")
