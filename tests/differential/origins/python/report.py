"""What an origin says of a request: one line of JSON, appended to its log before the answer leaves."""

import hashlib
import json
import os
import re

View = tuple[str, str, bytes]


class Log:
    """The log file of one origin; a line is one write, so that threads do not mix theirs."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, *, id: str, case: str, method: str, target: bytes | None, query: bytes = b"", views: list[View],
              body: bytes) -> bytes:
        """Appends one request whose body came to its end; returns the answer's body: the id.

        `target` is the target as it was received; where the server does not hand it on it is None, and `query` counts.
        `views` are what parsers make of the path: name, form (`raw`, `decoded` or `segments`), path.
        """
        line = {
            "id": plain(id),
            "case": plain(case),
            "method": method.encode("latin-1", "replace").hex(),
            "target": None if target is None else target.hex(),
            "query": query.hex(),
            "views": [[name, form, path.hex()] for name, form, path in views],
            "length": len(body),
            "sha1": hashlib.sha1(body).hexdigest(),
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")
        return plain(id).encode()


def plain(text: str | None) -> str:
    """The letters, digits and dashes of a text that anybody may have sent."""
    return re.sub("[^0-9A-Za-z-]", "", text or "")
