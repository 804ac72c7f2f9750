"""curl, by each version of HTTP that it speaks."""

import re

from stage import Stage

MEGABYTE = bytes(range(256)) * 4096
WAYS = [("web", "--http1.1", "1.1"), ("clear", "--http2-prior-knowledge", "2"), ("clear", "--http1.1", "1.1"),
        ("secure", "--http1.1", "1.1"), ("secure", "--http2", "2")]
UPSTREAMS = ("/h1", "/h2c")


def _curl(stage: Stage, *arguments: object, sends: bytes = b"", fails: bool = False) -> tuple[bytes, str]:
    return stage.run("curl", "-sS", "--noproxy", "*", "--cacert", stage.ca, *arguments, sends=sends, fails=fails)


def _all(stage: Stage):
    for listener, way, version in WAYS:
        for upstream in UPSTREAMS:
            yield stage.url(listener, upstream), way, version


def gets_with_every_version(stage: Stage) -> None:
    """The version is the one asked for, and Via says who was between."""
    for url, way, version in _all(stage):
        out, _ = _curl(stage, way, "-w", " %{http_version} %{http_code} %header{via}", f"{url}/hello")
        assert re.fullmatch(rf"hello {version} 200 [12]\S* ringway", out.decode()), out


def posts_a_megabyte(stage: Stage) -> None:
    """A megabyte goes up and comes back, with an announced length and without one."""
    for url, way, _ in _all(stage):
        for more in ([], ["-H", "transfer-encoding: chunked"] if "1.1" in way else ["-T", "-", "-X", "POST"]):
            data = [] if "-T" in more else ["--data-binary", "@-"]
            out, _ = _curl(stage, way, *data, *more, f"{url}/echo", sends=MEGABYTE)
            assert out == MEGABYTE, (url, way, more, len(out))


def waits_for_continue(stage: Stage) -> None:
    """`Expect: 100-continue` is answered before the body goes up."""
    for url, way, _ in _all(stage):
        expects = ("-v", "-H", "expect: 100-continue", "--expect100-timeout", "20", "--data-binary", "@-")
        out, said = _curl(stage, way, *expects, f"{url}/echo", sends=MEGABYTE)
        assert MEGABYTE.decode("latin-1") == out.decode("latin-1"), (url, way, len(out))
        assert re.search(r"^< HTTP/\S+ 100", said, re.MULTILINE), f"{url} {way}\n{said[:3000]}"


def asks_for_heads(stage: Stage) -> None:
    """HEAD has the fields of GET and no body."""
    for url, way, _ in _all(stage):
        out, _ = _curl(stage, way, "--head", f"{url}/large")
        assert b" 200" in out.splitlines()[0], out
        # Node announces no length over HTTP/2.
        assert "/h2c" in url or b"content-length: 1048576" in out.lower(), out


def sees_trailers(stage: Stage) -> None:
    """Trailers come after the body."""
    for url, way, _ in _all(stage):
        out, said = _curl(stage, way, "-v", "-H", "te: trailers", f"{url}/trailers")
        assert out == b"body" and re.search("^< x-sum: 42", said, re.MULTILINE | re.IGNORECASE), f"{url} {way}\n{said}"


def sees_early_hints(stage: Stage) -> None:
    """103 comes before 200."""
    for url, way, _ in _all(stage):
        out, _ = _curl(stage, way, "-i", f"{url}/hints")
        statuses = re.findall(rb"^HTTP/\S+ (\d+)", out, re.MULTILINE)
        assert statuses == [b"103", b"200"] and out.endswith(b"hinted"), out


def uses_one_connection_again(stage: Stage) -> None:
    """Three requests go over one connection."""
    for url, way, _ in _all(stage):
        out, _ = _curl(stage, way, "-w", "%{num_connects} ", *[f"{url}/hello"] * 3)
        assert out == b"hello1 hello0 hello0 ", (url, way, out)


def resumes_a_session(stage: Stage) -> None:
    """The second handshake is an abbreviated one, with both versions of TLS."""
    url = stage.url("secure", "/h1/hello")
    for version in ("1.2", "1.3"):
        ask = ("--http1.1", f"--tlsv{version}", "--tls-max", version, "-v", "-H", "connection: close", url, url)
        out, said = _curl(stage, *ask)
        assert out == b"hellohello" and "SSL re-using session ID" in said, said


def learns_what_went_wrong(stage: Stage) -> None:
    """What the gateway answers by itself has its status in every version."""
    for url, way, _ in _all(stage):
        base = url.rsplit("/", 1)[0]
        for path, status in (("/nowhere", 404), ("/clients.Dead/x", 502)):
            out, _ = _curl(stage, way, "-o", "/dev/null", "-w", "%{http_code}", base + path)
            assert out == str(status).encode(), (base, way, out)


def refuses_a_stranger(stage: Stage) -> None:
    """Without the authority there is no answer."""
    stage.run("curl", "-sS", "--noproxy", "*", stage.url("secure", "/h1/hello"), fails=True)


def gone_in_the_middle_frees_the_upstream(stage: Stage) -> None:
    """Whoever does not read to the end takes the exchange along, to the origin."""
    for number, (url, way, _) in enumerate(_all(stage)):
        start = len(stage.origin.lines)
        _curl(stage, way, "--max-time", "0.5", f"{url}/forever?{number}", fails=True)
        stage.origin.found(rf"^lost GET /forever\?{number}$", start)
