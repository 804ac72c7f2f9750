"""Brings what a comparison needs and does not find, only when --install asks for it."""

import pathlib
import subprocess
import sys
from collections.abc import Sequence

from comparison.figures import Failure
from comparison.processes import NEWEST, ROOT, find, preferred


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


def newest(may_install: bool) -> None:
    """From now on, nginx and HAProxy are those of Debian's newest suite. They lie with their libraries in a folder of
    their own, where `may_install` lets debootstrap put them, and run by that folder's loader."""
    suite = NEWEST / "suite"
    if not (suite / "usr/sbin/haproxy").exists():
        if not may_install:
            raise Failure("nginx and HAProxy of Debian's newest suite are not there (compare --install --newest)")
        if find("debootstrap") is None:
            install(["debootstrap"])
        run_all([["debootstrap", "--variant=minbase", "--include=nginx,haproxy", "sid", str(suite)]])
    for program in ("nginx", "haproxy"):
        starter(suite, program)
    preferred.insert(0, str(NEWEST))


def starter(suite: pathlib.Path, program: str) -> None:
    """A program that becomes `program` of `suite`."""
    libraries = ":".join(map(str, sorted(suite.glob("usr/lib/*-linux-gnu"))))
    loader = next(suite.glob("usr/lib*/ld-linux-*.so.*"), None) or next(suite.glob("usr/lib/*/ld-linux-*.so.*"))
    command = f'"{loader}" --library-path "{libraries}" --argv0 {program} "{suite}/usr/sbin/{program}" "$@"'
    place = NEWEST / program
    place.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    place.chmod(0o755)


def run_all(commands: Sequence[Sequence[str]]) -> None:
    for command in commands:
        # Package managers talk; standard output is for the table.
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
            raise Failure(f"{' '.join(command)} failed")
