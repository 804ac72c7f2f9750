"""Brings what the clients need where it is missing: Debian's packages into the system, all else below `target`."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target/clients"
VENV = TARGET / "venv"
NODE_MODULES = TARGET / "node/node_modules"
PACKAGES = {
    "curl": "curl",
    "nghttp": "nghttp2-client",
    "h2load": "nghttp2-client",
    "openssl": "openssl",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
}
"""The programs to look for, and the package of Debian that has each."""
SCANNERS = {"testssl": "testssl.sh"}
"""The same for `scripts/tls-scan`."""
SCANNER_VENV = TARGET / "scanners"


def install() -> None:
    """Installs what the clients need; says nothing and does nothing when all is there. One process at a time."""
    with Lock():
        debian(PACKAGES)
        venv(VENV, HERE / "packages/requirements.txt")
        npm()


def install_scanners() -> None:
    """The same for the scanners."""
    with Lock():
        debian({"openssl": PACKAGES["openssl"], **SCANNERS})
        venv(SCANNER_VENV, HERE / "packages/scanners.txt")


class Lock:
    """Held while something is installed."""

    def __enter__(self) -> None:
        TARGET.mkdir(parents=True, exist_ok=True)
        self.file = (TARGET / "lock").open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def debian(programs: dict[str, str]) -> None:
    """Packages of Debian."""
    packages = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not packages:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    run([*as_root, "apt-get", "update", "-qq"])
    run([*as_root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


def venv(where: pathlib.Path, pins: pathlib.Path) -> None:
    """Packages from PyPI."""
    stamp = where / "installed"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return
    run([sys.executable, "-m", "venv", "--clear", str(where)])
    run([str(where / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)])
    stamp.write_text(pins.read_text())


def npm() -> None:
    """Packages from npm, as the lock file has them."""
    lock = HERE / "packages/package-lock.json"
    home = NODE_MODULES.parent
    stamp = NODE_MODULES / "installed"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "packages" / name, home / name)
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
