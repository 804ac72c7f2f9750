"""Differences that are an origin's own: each a named rule that says exactly when it holds, why, and how to see it.

A rule speaks of how a path, target or method is shown, never of a number of requests or of a body. `proof` is a target
that shows it without any gateway: it is sent straight to the origin in each run, and a rule that it no longer shows
fails the run.
"""

import dataclasses
import re
from collections.abc import Callable

from canonical import TRIPLET, decoded, segments
from model import Message


@dataclasses.dataclass(frozen=True)
class Rule:
    """One known difference."""

    name: str
    reason: str
    origins: set[str]
    views: set[str]
    """The views it speaks of; `target` and `method` are these as they were received."""
    explains: Callable[[Message], bytes]
    """What these show instead."""
    proof: bytes
    method: bytes = b"GET"
    """The method of the proof."""


def actix(path: bytes) -> bytes:
    """All but three reserved characters decoded."""
    return TRIPLET.sub(lambda match: match[0] if match[0] in (b"%25", b"%2B", b"%2F") else decoded(match[0]), path)


def cheroot(message: Message) -> bytes:
    """What cheroot leaves of a path: not decoded in OPTIONS, and without an authority, which only OPTIONS may have."""
    if message.method == b"OPTIONS":
        return re.sub(rb"\A//[^/]*", b"", message.path) or b"/"
    shown = segments(message.path)
    return shown[2:] or b"/" if shown.startswith(b"//") else shown


RULES = [
    Rule(
        "leading slashes are one (raw)",
        "http.server reduces them, so that its redirects cannot lead to another host. (It is behind caddy, too.)",
        {"http-server", "caddy"}, {"http.server"},
        lambda message: b"/" + message.path.lstrip(b"/"), b"//a//b",
    ),
    Rule(
        "leading slashes are one (decoded)",
        "waitress and Werkzeug reduce them after decoding, so that `//host` cannot be taken for an authority.",
        {"waitress", "gevent", "gunicorn"}, {"PATH_INFO", "werkzeug"},
        lambda message: b"/" + decoded(message.path).lstrip(b"/"), b"//a//b",
    ),
    Rule(
        "leading slashes are one (segments)",
        "Apache skips them when it parses the target; MergeSlashes has no say in that.",
        {"apache"}, {"path"},
        lambda message: b"/" + segments(message.path).lstrip(b"/"), b"//a//b",
    ),
    Rule(
        "OPTIONS is not decoded, and may have an authority",
        "cheroot takes the target of OPTIONS as it is, and does not refuse what it takes for an authority.",
        {"cheroot"}, {"PATH_INFO", "werkzeug"},
        lambda message: cheroot(message) if message.method == b"OPTIONS" else b"", b"//a/%C3%A9", b"OPTIONS",
    ),
    Rule(
        "the asterisk gets a slash",
        "A path of WSGI begins with one (PEP 3333), so cheroot puts it there.",
        {"cheroot"}, {"PATH_INFO"},
        lambda message: b"/*" if message.path == b"*" else b"", b"*", b"OPTIONS",
    ),
    Rule(
        "leading slashes are one (Werkzeug on cheroot)",
        "Werkzeug reduces what cheroot leaves of them.",
        {"cheroot"}, {"werkzeug"},
        lambda message: b"/" + cheroot(message).lstrip(b"/"), b"////a",
    ),
    Rule(
        "two slashes begin an authority",
        "cheroot takes what follows them for one, and refuses the target unless that is empty.",
        {"cheroot"}, {"PATH_INFO", "werkzeug"},
        cheroot, b"///a",
    ),
    Rule(
        "slashes are merged after decoding",
        "lighttpd simplifies the decoded path as a file's name. Dots beside an encoded slash never get that far.",
        {"lighttpd"}, {"path"},
        lambda message: re.sub(b"/+", b"/", decoded(message.path)), b"/a%2F/b",
    ),
    Rule(
        "percent, plus and slash stay encoded",
        "actix-router decodes all but what it calls reserved: %25, %2B, %2F.",
        {"actix"}, {"actix-router"},
        lambda message: actix(message.path), b"/a%2Bb%25",
    ),
    Rule(
        "targets have seven bits",
        "http-parser-js reads a line as ASCII and drops the eighth bit; only a query can have one.",
        {"node-js"}, {"target"},
        lambda message: bytes(byte & 0x7F for byte in message.target), b"/?\xc3\xa9",
    ),
    Rule(
        "methods are in upper case",
        "aiohttp's parser in Python raises them. No route of the gateway takes `get` for GET, so none is opened by it.",
        {"aiohttp"}, {"method"},
        lambda message: message.method.upper(), b"/", b"get",
    ),
]


ANSWERS_ITSELF = {"apache", "caddy", "lighttpd", "twisted"}
"""The origins that answer `OPTIONS *` with 200 by themselves: it is about the server (RFC 9110 9.3.7)."""


def answers_itself(origin: str, message: Message) -> bool:
    """True for a request that one of these answers without recording it."""
    return origin in ANSWERS_ITSELF and message.method == b"OPTIONS" and message.path == b"*"
