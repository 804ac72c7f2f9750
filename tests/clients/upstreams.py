"""The upstreams in Python: a gRPC service of all four kinds by grpcio, and a WebSocket server."""

import socket
import threading
from concurrent import futures

import grpc
from websockets.sync.server import ServerConnection, serve

MESSAGE_BYTES_MAX = 8 << 20
OPTIONS = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.max_send_message_length", MESSAGE_BYTES_MAX)]
PATIENCE = 30


class Calls:
    """The service `clients.Echo`. Messages are bytes."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.remaining: list[float | None] = []
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=OPTIONS)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("clients.Echo", self._methods())])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _methods(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Wait": grpc.unary_stream_rpc_method_handler(self.wait),
        }

    def unary(self, message: bytes, call: grpc.ServicerContext) -> bytes:
        """Sends back message and metadata; trailers say how long the message was."""
        metadata = [(key, value) for key, value in call.invocation_metadata() if key.startswith("x-")]
        call.send_initial_metadata(metadata)
        call.set_trailing_metadata([("x-length", str(len(message))), ("x-raw-bin", bytes(range(256)))])
        return message

    def count(self, message: bytes, _call: grpc.ServicerContext):
        """As many messages as it is asked for."""
        for number in range(int(message)):
            yield str(number).encode()

    def collect(self, messages, _call: grpc.ServicerContext) -> bytes:
        """All messages as one."""
        return b",".join(messages)

    def chat(self, messages, _call: grpc.ServicerContext):
        """Answers each message before it reads the next."""
        for message in messages:
            yield message.upper()

    def fail(self, message: bytes, call: grpc.ServicerContext) -> bytes:
        """Refuses, with a detail of more than ASCII."""
        call.set_trailing_metadata([("x-why", "because")])
        call.abort(grpc.StatusCode.FAILED_PRECONDITION, f"not „{message.decode()}“ 100 %")

    def wait(self, _message: bytes, call: grpc.ServicerContext):
        """One message, then nothing until the call is over."""
        self.remaining.append(call.time_remaining())
        ended = threading.Event()
        call.add_callback(ended.set)
        yield b"waiting"
        if ended.wait(PATIENCE):
            self.cancelled.set()

    def stop(self) -> None:
        """Ends it."""
        self.server.stop(None).wait()


class Sockets:
    """A WebSocket server that sends back what comes; `close N` closes with that code."""

    def __init__(self) -> None:
        self.closed: list[tuple[int | None, str | None]] = []
        self.server = serve(self.echo, "127.0.0.1", 0, subprotocols=["echo"], max_size=16 << 20)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def echo(self, connection: ServerConnection) -> None:
        """Serves one connection."""
        for message in connection:
            if isinstance(message, str) and message.startswith("close "):
                connection.close(int(message.removeprefix("close ")), "as asked")
            else:
                connection.send(message)
        self.closed.append((connection.close_code, connection.close_reason))

    def stop(self) -> None:
        """Ends it."""
        self.server.shutdown()


def dead_port() -> tuple[socket.socket, int]:
    """A port where nobody listens, kept while the socket lives."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, taken.getsockname()[1]
