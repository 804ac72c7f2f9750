"""uvicorn with each of its two parsers: h11 (pure Python) and httptools (C)."""

import uvicorn
from report import Log
from starlette.requests import Request


class Application:
    """The ASGI application: reads the body, reports, answers."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def __call__(self, scope: dict, receive: object, send: object) -> None:
        body = await read(receive)
        if body is None:
            return
        fields = dict(scope["headers"])
        views = [("raw_path", "raw", scope["raw_path"]), ("asgi path", "decoded", scope["path"].encode())]
        if scope["path"].startswith("/"):
            views.append(("starlette", "decoded", Request(scope).scope["path"].encode()))
        answer = self.log.write(
            id=fields.get(b"x-request-id", b"").decode("latin-1"),
            case=fields.get(b"x-case", b"").decode("latin-1"),
            method=scope["method"],
            target=None,
            query=scope["query_string"],
            views=views,
            body=body,
        )
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})


async def read(receive: object) -> bytes | None:
    """The body; None when the client left before its end."""
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


def serve(name: str, port: int, log: Log) -> None:
    """Serves for ever."""
    uvicorn.run(Application(log), host="127.0.0.1", port=port, http=name.removeprefix("uvicorn-"), loop="asyncio",
                lifespan="off", ws="none", access_log=False, log_level="critical", timeout_keep_alive=60)
