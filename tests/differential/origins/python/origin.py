#!/usr/bin/env python3
"""Runs one HTTP/1.1 server from PyPI or the standard library: `origin.py <name> <port> <log>`.

Every server answers every request with its id and appends what it saw to the log. Not here: any judgement.
"""

import importlib
import sys

from report import Log

MODULES = {
    "http-server": "standard",
    "gunicorn": "wsgi",
    "waitress": "wsgi",
    "cheroot": "wsgi",
    "gevent": "wsgi",
    "uvicorn-h11": "asgi",
    "uvicorn-httptools": "asgi",
    "tornado": "loops",
    "aiohttp": "loops",
    "twisted": "loops",
    "fastcgi": "fastcgi",
}


def main() -> None:
    """Serves until it is killed."""
    name, port, log = sys.argv[1:]
    importlib.import_module(MODULES[name]).serve(name, int(port), Log(log))


if __name__ == "__main__":
    main()
