"""Installers of what tests need and a system may lack: Debian's packages into the system, all else where it is told."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


class Lock:
    """Held while something is installed below a folder: one process at a time."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = (self.folder / "lock").open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def debian(programs: dict[str, str]) -> None:
    """The packages of programs that are missing. Services are not started: a server on port 80 is not what was asked for."""
    missing = {package for program, package in programs.items() if not shutil.which(program, path=SEARCH_PATH)}
    if not missing:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    is_ours = not POLICY.exists()
    if is_ours:
        run([*as_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}"])
    try:
        run([*as_root, "apt-get", "update", "-qq"])
        run([*as_root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *sorted(missing)])
    finally:
        if is_ours:
            run([*as_root, "rm", "-f", str(POLICY)])


def venv(where: pathlib.Path, pins: pathlib.Path) -> None:
    """The packages from PyPI that a file of requirements pins."""
    stamp = where / "installed"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return
    run([sys.executable, "-m", "venv", "--clear", str(where)])
    run([str(where / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)])
    stamp.write_text(pins.read_text())


def npm(modules: pathlib.Path, wanted: pathlib.Path) -> None:
    """The packages from npm, as the lock file in the folder `wanted` has them."""
    lock = wanted / "package-lock.json"
    home = modules.parent
    stamp = modules / "installed"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(wanted / name, home / name)
    run(["npm", "ci", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    stamp.write_text(lock.read_text())


def run(command: list[str]) -> None:
    """Runs an installer; what it says is shown only when it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
