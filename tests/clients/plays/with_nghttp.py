"""nghttp and h2load, of nghttp2."""

import re

from stage import Stage

REQUESTS = 1000
STREAMS = 32


def sees_trailers_and_settings(stage: Stage) -> None:
    """nghttp prints the frames: trailers are a second HEADERS."""
    for listener in ("secure", "clear"):
        for upstream in ("/h1", "/h2c"):
            _, said = stage.run("nghttp", "-v", "--no-verify-peer", stage.url(listener, f"{upstream}/trailers"))
            plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
            assert len(re.findall("recv HEADERS frame", plain)) == 2 and "x-sum: 42" in plain, plain
            assert "recv SETTINGS frame" in plain and "SETTINGS_MAX_CONCURRENT_STREAMS" in plain, plain


def fetches_several_at_once(stage: Stage) -> None:
    """Streams beside each other on one connection."""
    for listener in ("secure", "clear"):
        urls = [stage.url(listener, f"{upstream}/large?{number}") for upstream in ("/h1", "/h2c") for number in range(4)]
        out, _ = stage.run("nghttp", "--no-verify-peer", *urls)
        assert out == b"r" * (8 << 20), len(out)


def loads_without_a_failure(stage: Stage) -> None:
    """A thousand requests, thirty-two at a time, GET and POST."""
    body = stage.directory / "body"
    body.write_bytes(b"b" * 20_000)
    for listener in ("secure", "clear"):
        for path, more in (("/h1/hello", []), ("/h2c/hello", []), ("/h1/echo", ["-d", body]), ("/h2c/echo", ["-d", body])):
            url = stage.url(listener, path)
            out, said = stage.run("h2load", f"-n{REQUESTS}", "-c2", f"-m{STREAMS}", *more, url)
            assert f"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in out.decode(), said
            assert f"{REQUESTS} 2xx" in out.decode(), said
