"""What a reader needs to judge numbers: the machine, its settings, and the versions of all that ran."""

import datetime
import hashlib
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Sequence

from comparison.contenders import IDLE_UPSTREAM, Contender
from comparison.measure import Settings
from comparison.processes import ROOT

# Host settings that move the numbers; scripts/tune-host says what each does.
SETTINGS = (
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/ipv4/tcp_max_syn_backlog",
    "/proc/sys/net/ipv4/ip_local_port_range",
    "/proc/sys/net/ipv4/tcp_tw_reuse",
    "/proc/sys/net/ipv4/tcp_congestion_control",
    "/proc/sys/net/core/busy_poll",
    "/proc/sys/kernel/io_uring_disabled",
    "/proc/sys/kernel/randomize_va_space",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
)


def environment(settings: Settings, contenders: Sequence[Contender], binary: str) -> dict:
    """The surroundings of a comparison, as they go into its JSON file."""
    versions = {who.name: who.version_text() for who in contenders}
    versions |= {
        f"generator {settings.generator.name}": settings.generator.version(),
        f"origin {settings.origin.name}": settings.origin.version(),
    }
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        # Without the place of the project, which is nobody else's.
        "command": ["loadtest/compare", *(word.replace(f"{ROOT}/", "") for word in sys.argv[1:])],
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load_average": os.getloadavg()[0],
        "open_files_max": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "settings": {path: value for path in SETTINGS if (value := first_line(path)) is not None},
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "gateway_cores": list(settings.gateway_cores),
        "load_cores": list(settings.load_cores),
        "idle_upstream": IDLE_UPSTREAM,
        "python": platform.python_version(),
        "commit": commit(),
        "binary_sha256": digest(binary) if any(who.name == "ringway" for who in contenders) else None,
        "versions": versions,
    }


def cpu_model() -> str:
    with pathlib.Path("/proc/cpuinfo").open(encoding="utf-8") as text:
        models = [line.partition(":")[2].strip() for line in text if line.startswith("model name")]
    return models[0] if models else platform.machine()


def first_line(path: str) -> str | None:
    try:
        return pathlib.Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None


def commit() -> str | None:
    """The commit of the project, with "+" when files differ from it; None outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def digest(path: str) -> str:
    """SHA-256 of the binary: a commit says what the sources were, this says what ran."""
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short(surroundings: dict) -> str:
    """One line for the foot of a picture."""
    versions = [version_number(name, text) for name, text in surroundings["versions"].items() if " " not in name]
    rounds, seconds = surroundings["rounds"], surroundings["seconds"]
    much = f"{rounds} round{'s' if rounds > 1 else ''} of {seconds:g} s"
    return (
        f"{', '.join(versions)}. {surroundings['cpu']}, {surroundings['cores']} cores, Linux {surroundings['kernel']}, "
        f"loopback. {surroundings['date'][:10]}, {much}."
    )


def version_number(name: str, text: str) -> str:
    found = re.search(r"\d+\.\d+(?:\.\d+)?", text)
    return f"{name} {found[0]}" if found else name
