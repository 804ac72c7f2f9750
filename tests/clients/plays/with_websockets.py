"""The library `websockets` as a client, over ws:// and wss://."""

import ssl

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from process import eventually
from stage import Stage

MEGABYTE = bytes(range(256)) * 4096


def _connect(stage: Stage, listener: str, path: str = "/ws") -> ClientConnection:
    trust = ssl.create_default_context(cafile=stage.ca) if listener == "secure" else None
    url = stage.url(listener, path).replace("http", "ws", 1)
    return connect(url, ssl=trust, proxy=None, subprotocols=["echo"], max_size=16 << 20)


def _all(stage: Stage):
    for listener in ("web", "clear", "secure"):
        with _connect(stage, listener) as socket:
            yield socket


def messages_come_back(stage: Stage) -> None:
    """Text, bytes, a megabyte of each, fragments, compressed as both sides agreed."""
    for socket in _all(stage):
        assert socket.subprotocol == "echo"
        for message in ("text", "grüße", b"", b"\0\xff", MEGABYTE, "m" * len(MEGABYTE)):
            socket.send(message)
            assert socket.recv() == message
        socket.send(iter(["in ", "three ", "pieces"]))
        assert socket.recv() == "in three pieces"


def pings_are_answered(stage: Stage) -> None:
    """Control frames go through."""
    for socket in _all(stage):
        assert socket.ping(b"payload").wait(30)


def closes_keep_their_codes(stage: Stage) -> None:
    """From the server and from the client."""
    for socket in _all(stage):
        socket.send("close 4001")
        try:
            socket.recv()
            raise AssertionError("the connection goes on")
        except ConnectionClosed:
            assert (socket.close_code, socket.close_reason) == (4001, "as asked")
    for number, socket in enumerate(_all(stage)):
        socket.close(4100 + number, "leaving")
        eventually("the close", lambda code=4100 + number: (code, "leaving") in stage.sockets.closed)


def no_route_is_no_socket(stage: Stage) -> None:
    """What is refused is refused by its status."""
    for listener in ("web", "clear", "secure"):
        try:
            _connect(stage, listener, "/nowhere").close()
            raise AssertionError("connected to nowhere")
        except InvalidStatus as refused:
            assert refused.response.status_code == 404, refused
