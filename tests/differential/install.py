"""Brings what the origins need where it is missing: Debian's packages into the system, all else below `target`."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target/differential"
VENV = TARGET / "venv"
NODE_MODULES = TARGET / "node/node_modules"
RUST_BINARY = TARGET / "rust/release/differential-origins"
APACHE_MODULES = "/usr/lib/apache2/modules"
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
PACKAGES = {
    "node": ("node", "nodejs"),
    "npm": ("npm", "npm"),
    "nginx": ("nginx", "nginx"),
    "apache2": ("apache2", "apache2-bin"),
    "lighttpd": ("lighttpd", "lighttpd"),
    "caddy": ("caddy", "caddy"),
    "puma": ("puma", "puma"),
}
"""What is needed: the program to look for, the package of Debian that has it."""
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def install(needs: set[str]) -> None:
    """Installs what is missing; says nothing and does nothing when all is there. One process at a time."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        debian({need for need in needs if need in PACKAGES})
        if "venv" in needs:
            venv()
        if "npm" in needs:
            npm()
        if "cargo" in needs:
            cargo()


def debian(needs: set[str]) -> None:
    """Packages of Debian. Their services are not started: a server on port 80 is not what was asked for."""
    packages = sorted(PACKAGES[need][1] for need in needs if not shutil.which(PACKAGES[need][0], path=SEARCH_PATH))
    if not packages:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    is_ours = not POLICY.exists()
    if is_ours:
        run([*as_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}"])
    try:
        run([*as_root, "apt-get", "update", "-qq"])
        run([*as_root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    finally:
        if is_ours:
            run([*as_root, "rm", "-f", str(POLICY)])


def venv() -> None:
    """The servers from PyPI."""
    pins = HERE / "origins/python/requirements.txt"
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return
    run([sys.executable, "-m", "venv", str(VENV)])
    run([str(VENV / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)])
    stamp.write_text(pins.read_text())


def npm() -> None:
    """The packages from npm, as the lock file has them."""
    lock = HERE / "origins/node/package-lock.json"
    home = NODE_MODULES.parent
    stamp = NODE_MODULES / "installed"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "origins/node" / name, home / name)
    run(["npm", "ci", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    stamp.write_text(lock.read_text())


def cargo() -> None:
    """The servers from crates.io."""
    manifest = HERE / "origins/rust/Cargo.toml"
    where = ["--manifest-path", str(manifest), "--target-dir", str(TARGET / "rust")]
    run(["cargo", "build", "--quiet", "--release", "--locked", *where])


def run(command: list[str]) -> None:
    """Runs an installer; what it says is shown only when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
