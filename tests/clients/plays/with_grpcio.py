"""grpcio: the service of upstreams.py, called through h2c and through TLS."""

import threading

import grpc

from process import PATIENCE
from stage import Stage
from upstreams import OPTIONS

METADATA = (("x-meta", "one"), ("x-meta", "two"), ("x-some-bin", bytes(range(256))))
LARGE = bytes(range(256)) * (4 << 12)


def _channels(stage: Stage):
    trust = grpc.ssl_channel_credentials(stage.certificates.ca.read_bytes())
    for listener in ("clear", "secure"):
        options = [*OPTIONS, ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        at = stage.at(listener)
        secure = listener == "secure"
        made = grpc.secure_channel(at, trust, options) if secure else grpc.insecure_channel(at, options)
        with made as channel:
            yield channel


def _refused(call) -> grpc.RpcError:
    try:
        answered = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"answered {answered!r}")


def unary_with_metadata_and_trailers(stage: Stage) -> None:
    """Initial metadata and trailers, repeated and binary, come back as they were sent."""
    for channel in _channels(stage):
        answer, call = channel.unary_unary("/clients.Echo/Unary").with_call(b"hello", PATIENCE, METADATA)
        initial = tuple((key, value) for key, value in call.initial_metadata() if key in ("x-meta", "x-some-bin"))
        trailing = dict(call.trailing_metadata())
        assert (answer, sorted(initial)) == (b"hello", sorted(METADATA)), initial
        assert (trailing["x-length"], trailing["x-raw-bin"]) == ("5", bytes(range(256))), trailing


def unary_of_four_megabytes(stage: Stage) -> None:
    """Messages far larger than a window, and empty ones."""
    assert len(LARGE) == 4 << 20
    for channel in _channels(stage):
        for message in (LARGE, b""):
            assert channel.unary_unary("/clients.Echo/Unary")(message, PATIENCE) == message


def streams_of_each_kind(stage: Stage) -> None:
    """From the server, from the client, and both at once with an answer before each next message."""
    for channel in _channels(stage):
        counted = channel.unary_stream("/clients.Echo/Count")(b"1000", PATIENCE)
        assert list(counted) == [str(number).encode() for number in range(1000)]
        collected = channel.stream_unary("/clients.Echo/Collect")(iter([b"a", b"b", b"c"]), PATIENCE)
        assert collected == b"a,b,c"
        answered, received = threading.Semaphore(1), []

        def messages(answered=answered):
            for number in range(100):
                assert answered.acquire(timeout=PATIENCE)
                yield b"message %d" % number

        for answer in channel.stream_stream("/clients.Echo/Chat")(messages(), PATIENCE):
            received.append(answer)
            answered.release()
        assert received == [b"MESSAGE %d" % number for number in range(100)]


def many_at_once(stage: Stage) -> None:
    """More calls than one connection has streams."""
    for channel in _channels(stage):
        unary = channel.unary_unary("/clients.Echo/Unary")
        calls = [unary.future(b"%d" % number * 100, PATIENCE) for number in range(300)]
        assert [call.result() for call in calls] == [b"%d" % number * 100 for number in range(300)]


def errors_of_the_service(stage: Stage) -> None:
    """Status, text and trailers of a refusal."""
    for channel in _channels(stage):
        error = _refused(lambda: channel.unary_unary("/clients.Echo/Fail")(b"now", PATIENCE))
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "not „now“ 100 %" and dict(error.trailing_metadata())["x-why"] == "because", error
        error = _refused(lambda: channel.unary_unary("/clients.Echo/Missing")(b"", PATIENCE))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def errors_of_the_gateway(stage: Stage) -> None:
    """They come as grpc-status, with a text."""
    for channel in _channels(stage):
        wanted = (("/clients.Nowhere/X", grpc.StatusCode.UNIMPLEMENTED), ("/clients.Dead/X", grpc.StatusCode.UNAVAILABLE))
        for method, status in wanted:
            error = _refused(lambda: channel.unary_unary(method)(b"", PATIENCE))
            assert error.code() == status and error.details(), error
            error = _refused(lambda: list(channel.stream_stream(method)(iter([b"a"]), PATIENCE)))
            assert error.code() == status, error


def deadlines_end_calls(stage: Stage) -> None:
    """The service knows how much time is left, and is told when it is over."""
    for channel in _channels(stage):
        stage.calls.cancelled.clear()
        # From a second on, grpcio says how much is left in steps of 10 ms, and rounds up.
        error = _refused(lambda: list(channel.unary_stream("/clients.Echo/Wait")(b"", 0.9)))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert stage.calls.cancelled.wait(PATIENCE) and 0 < stage.calls.remaining[-1] <= 1, stage.calls.remaining


def cancelled_calls_are_cancelled_at_the_service(stage: Stage) -> None:
    """And the channel goes on."""
    for channel in _channels(stage):
        stage.calls.cancelled.clear()
        call = channel.unary_stream("/clients.Echo/Wait")(b"", PATIENCE)
        assert next(call) == b"waiting"
        call.cancel()
        assert stage.calls.cancelled.wait(PATIENCE)
        assert channel.unary_unary("/clients.Echo/Unary")(b"after", PATIENCE) == b"after"
