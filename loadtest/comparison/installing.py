"""Brings what a comparison needs and does not find, only when --install asks for it."""

import subprocess
import sys
from collections.abc import Sequence

from comparison.figures import Failure
from comparison.processes import ROOT, find


def install(packages: Sequence[str]) -> None:
    """Installs Debian packages (as root or by sudo) and, into a virtual environment below target/, ones from PyPI."""
    from_pypi = [name.removeprefix("pypi:") for name in packages if name.startswith("pypi:")]
    debian = sorted({name for name in packages if not name.startswith("pypi:")})
    root = [] if find("sudo") is None else ["sudo"]
    commands: list[list[str]] = []
    if debian:
        commands += [[*root, "apt-get", "update", "-qq"]]
        commands += [[*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *debian]]
    if from_pypi:
        place = ROOT / "target/peers"
        commands += [[sys.executable, "-m", "venv", str(place)], [str(place / "bin/pip"), "install", "-q", *from_pypi]]
    run_all(commands)


def build_ringway_load() -> None:
    """Builds the project's generator and origin where `app` looks for it."""
    manifest, target = str(ROOT / "loadtest/Cargo.toml"), str(ROOT / "target/loadtest")
    run_all([["cargo", "build", "--release", "--manifest-path", manifest, "--target-dir", target]])


def run_all(commands: Sequence[Sequence[str]]) -> None:
    for command in commands:
        # Package managers talk; standard output is for the table.
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
            raise Failure(f"{' '.join(command)} failed")
