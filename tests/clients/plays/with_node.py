"""Node: its http2, and undici; node/client.js is what they do."""

import os
import shutil

import install
from stage import Stage


def _node(stage: Stage, play: str) -> None:
    environment = f"NODE_EXTRA_CA_CERTS={stage.ca}", f"NODE_PATH={install.NODE_MODULES}"
    program = os.fspath(install.HERE / "node/client.js")
    out, said = stage.run("env", *environment, shutil.which("node"), program, play, stage.url("secure"), stage.url("clear"))
    assert out.decode().strip() == f"{play} done", said


def http2_has_many_streams_in_one_session(stage: Stage) -> None:
    """300 streams at once, each with its own body."""
    _node(stage, "streams")


def http2_sees_trailers_and_hints(stage: Stage) -> None:
    """Trailers and 103 are events of their own."""
    _node(stage, "trailers")


def http2_stalled_stream_does_not_stop_the_others(stage: Stage) -> None:
    """One stream is not read; the others are complete nevertheless, and then so is it."""
    _node(stage, "stalled")


def undici_speaks_http2(stage: Stage) -> None:
    """With allowH2 undici takes h2 by ALPN."""
    _node(stage, "undici")


def undici_speaks_http1(stage: Stage) -> None:
    """Without it HTTP/1.1, pipelined."""
    _node(stage, "pipelined")


def fetch_streams(stage: Stage) -> None:
    """Node's own fetch: bodies of unknown length, and an answer that is given up."""
    _node(stage, "fetch")
