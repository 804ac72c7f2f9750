"""Servers with a parser and an event loop of their own: tornado, aiohttp (its parser in Python), twisted."""

import asyncio

from report import Log


def serve(name: str, port: int, log: Log) -> None:
    """Serves for ever."""
    {"tornado": tornado, "aiohttp": aiohttp, "twisted": twisted}[name](port, log)


def tornado(port: int, log: Log) -> None:
    """Tornado with its router, whose arguments are decoded."""
    import logging

    from tornado.web import Application, RequestHandler

    class Any:
        """All methods are supported."""

        def __contains__(self, _: object) -> bool:
            return True

    class Handler(RequestHandler):
        SUPPORTED_METHODS = Any()

        def __getattr__(self, name: str) -> object:
            if name == self.request.method.lower():
                return self.answer
            raise AttributeError(name)

        def get(self, *_: object) -> None:
            self.answer()

        head = post = put = delete = patch = options = get

        def answer(self, *_: object) -> None:
            request = self.request
            views = [("tornado", "raw", request.path.encode("latin-1"))]
            if self.path_args:
                # The router decodes to text; what is no UTF-8 would have been refused before.
                views.append(("tornado router", "decoded", self.path_args[0].encode()))
            self.finish(log.write(
                id=request.headers.get("x-request-id"),
                case=request.headers.get("x-case"),
                method=request.method,
                target=request.uri.encode("latin-1"),
                views=views,
                body=request.body,
            ))

        def compute_etag(self) -> None:
            return None

    logging.getLogger("tornado").setLevel(logging.CRITICAL)

    async def run() -> None:
        Application([(r"(.*)", Handler)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(run())


def aiohttp(port: int, log: Log) -> None:
    """aiohttp without its C parser (that one is node's, seen elsewhere)."""
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        views = [("aiohttp", "decoded", request.path.encode()), ("yarl", "raw", request.rel_url.raw_path.encode())]
        text = log.write(
            id=request.headers.get("x-request-id"),
            case=request.headers.get("x-case"),
            method=request.method,
            target=request.raw_path.encode("utf-8", "surrogateescape"),
            views=views,
            body=body,
        )
        return web.Response(body=text)

    async def run() -> None:
        runner = web.ServerRunner(web.Server(answer, client_max_size=1 << 26))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())


def twisted(port: int, log: Log) -> None:
    """twisted.web."""
    from twisted.internet import reactor
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    class Root(Resource):
        isLeaf = True

        def render(self, request: object) -> bytes:
            segments = b"/" + b"/".join(part.replace(b"/", b"%2F") for part in request.prepath + request.postpath)
            views = [("twisted", "raw", request.path), ("postpath", "segments", segments)]
            field = lambda name: (request.getHeader(name) or b"").decode("latin-1")
            request.content.seek(0)
            return log.write(
                id=field(b"x-request-id"),
                case=field(b"x-case"),
                method=request.method.decode("latin-1"),
                target=request.uri,
                views=views,
                body=request.content.read(),
            )

    reactor.listenTCP(port, Site(Root()), interface="127.0.0.1")
    reactor.run(installSignalHandlers=False)
