"""The library `websockets` as a client, over ws:// and wss://.

By its asyncio client: the threaded one reads and writes one TLS object of OpenSSL from two threads, and about once in a
thousand connections its request never leaves.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from process import eventually
from stage import Stage

MEGABYTE = bytes(range(256)) * 4096


class Socket:
    """A connection, each of whose steps is waited for."""

    def __init__(self, runner: asyncio.Runner, connection) -> None:
        self.runner, self.connection = runner, connection

    def send(self, message) -> None:
        self.runner.run(self.connection.send(message))

    def recv(self):
        return self.runner.run(self.connection.recv())

    def ping(self, payload: bytes) -> None:
        """Sends a ping and waits for its answer."""

        async def answered() -> None:
            await asyncio.wait_for(await self.connection.ping(payload), 30)

        self.runner.run(answered())

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.runner.run(self.connection.close(code, reason))


@contextlib.contextmanager
def _connect(stage: Stage, listener: str, path: str = "/ws") -> Iterator[Socket]:
    trust = ssl.create_default_context(cafile=stage.ca) if listener == "secure" else None
    url = stage.url(listener, path).replace("http", "ws", 1)

    async def connected():
        return await connect(url, ssl=trust, proxy=None, subprotocols=["echo"], max_size=16 << 20)

    with asyncio.Runner() as runner:
        socket = Socket(runner, runner.run(connected()))
        try:
            yield socket
        finally:
            socket.close()


def _all(stage: Stage) -> Iterator[Socket]:
    for listener in ("web", "clear", "secure"):
        with _connect(stage, listener) as socket:
            yield socket


def messages_come_back(stage: Stage) -> None:
    """Text, bytes, a megabyte of each, fragments, compressed as both sides agreed."""
    for socket in _all(stage):
        assert socket.connection.subprotocol == "echo"
        for message in ("text", "grüße", b"", b"\0\xff", MEGABYTE, "m" * len(MEGABYTE)):
            socket.send(message)
            assert socket.recv() == message
        socket.send(iter(["in ", "three ", "pieces"]))
        assert socket.recv() == "in three pieces"


def pings_are_answered(stage: Stage) -> None:
    """Control frames go through."""
    for socket in _all(stage):
        socket.ping(b"payload")


def closes_keep_their_codes(stage: Stage) -> None:
    """From the server and from the client."""
    for socket in _all(stage):
        socket.send("close 4001")
        try:
            socket.recv()
            raise AssertionError("the connection goes on")
        except ConnectionClosed:
            assert (socket.connection.close_code, socket.connection.close_reason) == (4001, "as asked")
    for number, socket in enumerate(_all(stage)):
        socket.close(4100 + number, "leaving")
        eventually("the close", lambda code=4100 + number: (code, "leaving") in stage.sockets.closed)


def no_route_is_no_socket(stage: Stage) -> None:
    """What is refused is refused by its status."""
    for listener in ("web", "clear", "secure"):
        try:
            with _connect(stage, listener, "/nowhere"):
                raise AssertionError("connected to nowhere")
        except InvalidStatus as refused:
            assert refused.response.status_code == 404, refused
