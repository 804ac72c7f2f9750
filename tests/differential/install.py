"""Brings what the origins need where it is missing: Debian's packages into the system, all else below `target`."""

import pathlib

from installers import Lock, debian, npm, run, venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target/differential"
VENV = TARGET / "venv"
NODE_MODULES = TARGET / "node/node_modules"
RUST_BINARY = TARGET / "rust/release/differential-origins"
APACHE_MODULES = "/usr/lib/apache2/modules"
PACKAGES = {
    "node": "nodejs",
    "npm": "npm",
    "nginx": "nginx",
    "apache2": "apache2-bin",
    "lighttpd": "lighttpd",
    "caddy": "caddy",
    "puma": "puma",
}
"""The programs to look for, and the package of Debian that has each."""


def install(needs: set[str]) -> None:
    """Installs what is missing; says nothing and does nothing when all is there. One process at a time."""
    with Lock(TARGET):
        debian({program: package for program, package in PACKAGES.items() if program in needs})
        if "venv" in needs:
            venv(VENV, HERE / "origins/python/requirements.txt")
        if "npm" in needs:
            npm(NODE_MODULES, HERE / "origins/node")
        if "cargo" in needs:
            cargo()


def cargo() -> None:
    """The servers from crates.io."""
    manifest = HERE / "origins/rust/Cargo.toml"
    where = ["--manifest-path", str(manifest), "--target-dir", str(TARGET / "rust")]
    run(["cargo", "build", "--quiet", "--release", "--locked", *where])
