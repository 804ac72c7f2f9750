"""Brings what the clients need where it is missing: Debian's packages into the system, all else below `target`."""

import pathlib

from installers import Lock, debian, npm, venv

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
    with Lock(TARGET):
        debian(PACKAGES)
        venv(VENV, HERE / "packages/requirements.txt")
        npm(NODE_MODULES, HERE / "packages")


def install_scanners() -> None:
    """The same for the scanners."""
    with Lock(TARGET):
        debian({"openssl": PACKAGES["openssl"], **SCANNERS})
        venv(SCANNER_VENV, HERE / "packages/scanners.txt")
