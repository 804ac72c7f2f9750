"""The requests of `tests/wire/requests`: seeds for mutation, and verdicts that the model is checked against.

`tests/wire/README.md` has their form.
"""

import pathlib
import re
from collections.abc import Iterator

ESCAPE = re.compile(rb"\\(?:([rnt0\\])|x([0-9a-fA-F]{2})|\{(\d+) ((?:[^\\}]|\\[^{])*)\})")
SIMPLE = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
CASE_BYTES_MAX = 40_000


def cases(directory: pathlib.Path) -> Iterator[tuple[str, list[str], bytes]]:
    """Place and title, verdicts and bytes of every case, in the order of files and lines."""
    for file in sorted(directory.glob("*.http")):
        for case in re.split(rb"^### ", file.read_bytes(), flags=re.MULTILINE)[1:]:
            title, *lines = case.splitlines()
            name, _, verdicts = (part.strip() for part in title.decode().split("|"))
            lines = [line for line in lines if line and not line.startswith((b"#", b"> ", b">> "))]
            yield f"{file.name}: {name}", re.split(r",\s*", verdicts), b"".join(map(unescape, lines))


def load(directory: pathlib.Path) -> list[bytes]:
    """The bytes of every case but the longest."""
    return [stream for _, _, stream in cases(directory) if 0 < len(stream) <= CASE_BYTES_MAX]


def unescape(text: bytes) -> bytes:
    """The bytes that a line stands for."""

    def one(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return SIMPLE[match[1]]
        if match[2]:
            return bytes.fromhex(match[2].decode())
        return unescape(match[4]) * int(match[3])

    return ESCAPE.sub(one, text)
