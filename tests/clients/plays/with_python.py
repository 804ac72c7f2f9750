"""httpx and aiohttp."""

import asyncio
import base64
import ssl
import struct

import aiohttp
import httpx

from stage import Stage

AT_ONCE = 200
MEGABYTE = bytes(range(256)) * 4096


def _trust(stage: Stage) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=stage.ca)


def _client(stage: Stage, listener: str) -> httpx.AsyncClient:
    # Without HTTP/1.1 it speaks HTTP/2 at once where there is no TLS.
    return httpx.AsyncClient(http1=listener == "secure", http2=True, verify=_trust(stage), trust_env=False, timeout=30)


def httpx_asks_at_once_by_http2(stage: Stage) -> None:
    """Many requests at once, more than there are streams, with bodies of their own."""

    async def ask(client: httpx.AsyncClient, url: str, number: int) -> None:
        answer = await client.post(url, content=b"%d" % number * 1000)
        assert (answer.http_version, answer.content) == ("HTTP/2", b"%d" % number * 1000), answer

    async def play() -> None:
        for listener in ("secure", "clear"):
            async with _client(stage, listener) as client:
                for upstream in ("/h1", "/h2c"):
                    url = stage.url(listener, f"{upstream}/echo")
                    await asyncio.gather(*[ask(client, url, number) for number in range(AT_ONCE)])

    asyncio.run(play())


def httpx_streams_both_ways(stage: Stage) -> None:
    """A body of unknown length goes up; pieces come down."""

    async def pieces():
        for start in range(0, len(MEGABYTE), 30_000):
            yield MEGABYTE[start : start + 30_000]

    async def play() -> None:
        for listener in ("secure", "clear"):
            async with _client(stage, listener) as client:
                for upstream in ("/h1", "/h2c"):
                    url = stage.url(listener, f"{upstream}/echo")
                    async with client.stream("POST", url, content=pieces()) as answer:
                        assert b"".join([piece async for piece in answer.aiter_raw()]) == MEGABYTE

    asyncio.run(play())


def httpx_leaves_and_the_others_go_on(stage: Stage) -> None:
    """A stream that its client gives up is given up at the origin, and the connection lives."""

    async def play(upstream: str) -> None:
        async with _client(stage, "secure") as client:
            start = len(stage.origin.lines)
            async with client.stream("GET", stage.url("secure", f"{upstream}/forever?httpx")) as answer:
                assert await anext(answer.aiter_raw()) == b"begun"
                beside = await client.get(stage.url("secure", f"{upstream}/hello"))
            await asyncio.to_thread(stage.origin.found, r"^lost GET /forever\?httpx$", start)
            after = await client.get(stage.url("secure", f"{upstream}/hello"))
            assert beside.content == after.content == b"hello"

    for upstream in ("/h1", "/h2c"):
        asyncio.run(play(upstream))


def httpx_hears_of_hosts_and_schemes(stage: Stage) -> None:
    """Host, cookies and the scheme of the client reach the origin."""

    async def play() -> None:
        for listener, scheme in (("secure", "https"), ("clear", "http")):
            async with _client(stage, listener) as client:
                for upstream in ("/h1", "/h2c"):
                    fields = {"cookie": "a=1; b=2", "x-twice": "ü".encode().hex()}
                    answer = (await client.get(stage.url(listener, f"{upstream}/fields"), headers=fields)).json()
                    seen = (answer.get("host") or answer[":authority"], answer["cookie"], answer["x-forwarded-proto"])
                    assert seen == (stage.at(listener), "a=1; b=2", scheme), answer

    asyncio.run(play())


def httpx_speaks_grpc_web(stage: Stage) -> None:
    """Made by hand, as a browser would: binary and text, trailers in the body, errors as trailers."""
    message = bytes(range(256)) * 300
    frame = b"\0" + struct.pack(">I", len(message)) + message
    with httpx.Client(http2=True, verify=_trust(stage), trust_env=False) as client:
        for kind, into, out in (("grpc-web+proto", bytes, bytes), ("grpc-web-text+proto", base64.b64encode, _decoded)):
            fields = {"content-type": f"application/{kind}", "accept": f"application/{kind}", "x-grpc-web": "1"}
            url = stage.url("secure", "/clients.Echo/Unary")
            answer = client.post(url, content=into(frame), headers={**fields, "x-meta": "1"})
            body = out(answer.content)
            assert (answer.status_code, answer.headers["content-type"]) == (200, f"application/{kind}"), answer.headers
            assert answer.headers["x-meta"] == "1" and body.startswith(frame), body[:80]
            trailers = _trailers(body[len(frame) :])
            assert (trailers["grpc-status"], trailers["x-length"]) == ("0", str(len(message))), trailers
            for path, status in (("/clients.Echo/Fail", "9"), ("/clients.Nowhere/X", "12"), ("/clients.Dead/X", "14")):
                answer = client.post(stage.url("secure", path), content=into(b"\0\0\0\0\1a"), headers=fields)
                told = answer.headers.get("grpc-status") or _trailers(out(answer.content))["grpc-status"]
                assert (answer.status_code, told) == (200, status), (path, answer.headers, answer.content)


def _decoded(text: bytes) -> bytes:
    # Each piece may be padded by itself.
    return b"".join(base64.b64decode(text[start : start + 4]) for start in range(0, len(text), 4))


def _trailers(frame: bytes) -> dict[str, str]:
    assert frame[0] == 0x80 and struct.unpack(">I", frame[1:5])[0] == len(frame) - 5, frame
    return dict(line.split(": " if ": " in line else ":", 1) for line in frame[5:].decode().split("\r\n") if line)


def aiohttp_asks_at_once(stage: Stage) -> None:
    """Pools of connections, with TLS and without, and bodies of known and unknown length."""

    async def pieces(number: int):
        for _ in range(10):
            yield b"%d" % number * 100

    async def ask(session: aiohttp.ClientSession, url: str, number: int) -> None:
        content = pieces(number) if number % 2 else b"%d" % number * 1000
        async with session.post(url, data=content) as answer:
            assert await answer.read() == b"%d" % number * 1000, (url, number)

    async def play() -> None:
        trust = _trust(stage)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, limit=20)) as session:
            for listener in ("web", "secure", "clear"):
                for upstream in ("/h1", "/h2c"):
                    url = stage.url(listener, f"{upstream}/echo")
                    await asyncio.gather(*[ask(session, url, number) for number in range(AT_ONCE)])

    asyncio.run(play())


def aiohttp_reads_events_and_speaks_websocket(stage: Stage) -> None:
    """Each event is there while the stream goes on; text and bytes come back."""

    async def play(listener: str) -> None:
        trust = _trust(stage)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            for upstream in ("/h1", "/h2c"):
                async with session.get(stage.url(listener, f"{upstream}/events")) as answer:
                    lines = [await answer.content.readline() for _ in range(9)]
                    assert lines[7] == b"data: event 3\n", lines
            async with session.ws_connect(stage.url(listener, "/ws")) as socket:
                await socket.send_str("text")
                await socket.send_bytes(MEGABYTE)
                assert (await socket.receive()).data == "text"
                assert (await socket.receive()).data == MEGABYTE

    for listener in ("web", "secure", "clear"):
        asyncio.run(play(listener))
