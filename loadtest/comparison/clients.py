"""Two clients of our own: one proves that a gateway does the work that is about to be counted, one only rests."""

import contextlib
import http.client
import select
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from comparison.figures import Failure
from comparison.protocols import alpn
from comparison.scenarios import Scenario

ANSWER_SECONDS_MAX = 10
# How many resting clients ask at the same time.
BATCH = 100


def await_service(port: int, scenario: Scenario) -> None:
    """Waits until the gateway has its routes: some listen before, and answer 404 or 503. Says nothing if it never does,
    for the proof will."""
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while time.monotonic() < deadline:
        connection = connection_to(port, scenario)
        with contextlib.closing(connection), contextlib.suppress(Failure):
            if exchange(connection, scenario.method, scenario.target, scenario)[0] == 200:
                return
        time.sleep(0.05)


def check_answers(port: int, who: str, scenario: Scenario) -> None:
    """Fails unless the gateway really does the work that is about to be counted."""
    if scenario.protocols.tls:
        check_handshakes(port, who, scenario)
    connection = connection_to(port, scenario)
    with contextlib.closing(connection):
        for _ in range(2):
            ask(connection, who, scenario)
        if scenario.routes:
            status, _, _ = exchange(connection, "GET", "/api/service-none/items/42", scenario)
            if status != 404:
                raise Failure(f"{who} answers {status} to a path that no route takes: its table is not the scenario's")


def connection_to(port: int, scenario: Scenario) -> http.client.HTTPConnection:
    """A connection that opens with its first request."""
    if scenario.protocols.tls:
        context = tls_context(scenario)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)


def tls_context(scenario: Scenario) -> ssl.SSLContext:
    """TLS 1.3 and the scenario's protocol. The certificate is the comparison's own, and proves nothing to anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn(scenario.protocols)])
    return context


def check_handshakes(port: int, who: str, scenario: Scenario) -> None:
    """Fails unless the gateway agrees to the scenario's protocol and, where sessions are to resume, resumes one."""
    context, session = tls_context(scenario), None
    for number in (1, 2):
        with handshaken(context, port, session) as client:
            agreed = client.selected_alpn_protocol()
            if agreed != alpn(scenario.protocols):
                raise Failure(f"{who} agrees to {agreed} and not to {alpn(scenario.protocols)}")
            if scenario.resume and number == 2 and not client.session_reused:
                raise Failure(f"{who} does not resume a session")
            if not scenario.resume:
                return
            # A ticket comes behind the handshake, and is read with an answer.
            client.sendall(request_of(port, scenario))
            read_answer(client, scenario.answer_bytes)
            session = client.session


def handshaken(context: ssl.SSLContext, port: int, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A connection of TLS, its handshake done."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
    try:
        return context.wrap_socket(plain, session=session)
    except OSError as problem:
        plain.close()
        raise Failure(f"no handshake: {problem!r}") from None


def ask(connection: http.client.HTTPConnection, who: str, scenario: Scenario) -> None:
    status, length, fields = exchange(connection, scenario.method, scenario.target, scenario)
    if status != 200 or length != scenario.answer_bytes:
        raise Failure(f"{who} answered {status} with {length} bytes to {scenario.target}")
    if len(fields) < scenario.answer_headers:
        raise Failure(f"{who} passed on {len(fields)} fields of an answer that has {scenario.answer_headers} more")
    if scenario.keep_alive and fields.get("connection", "").lower() == "close":
        raise Failure(f"{who} closes connections that the scenario keeps")


def exchange(
    connection: http.client.HTTPConnection, method: str, target: str, scenario: Scenario
) -> tuple[int, int, dict[str, str]]:
    """One exchange: the answer's status, its length, and its fields by their names in small letters."""
    headers = dict(scenario.headers)
    if not scenario.keep_alive:
        headers["connection"] = "close"
    body = b"x" * scenario.body_bytes if scenario.body_bytes and method == scenario.method else None
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        length = len(answer.read())
    except (OSError, http.client.HTTPException) as problem:
        raise Failure(f"no answer to {target}: {problem!r}") from None
    return answer.status, length, {field.lower(): value for field, value in answer.getheaders()}


# ------------------------------------------------------------------------------------------------ resting


@contextlib.contextmanager
def resting_connections(port: int, scenario: Scenario, count: int) -> Iterator[list[socket.socket]]:
    """Opens `count` connections that make one request each, a hundred at a time, and then stay silent and open."""
    request = request_of(port, scenario)
    context = tls_context(scenario) if scenario.protocols.tls else None
    clients: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for start in range(0, count, BATCH):
            batch = []
            for _ in range(min(BATCH, count - start)):
                if context:
                    client: socket.socket = handshaken(context, port)
                else:
                    client = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
                batch.append(stack.enter_context(client))
                client.sendall(request)
            for client in batch:
                read_answer(client, scenario.answer_bytes)
            clients += batch
        yield clients


def request_of(port: int, scenario: Scenario) -> bytes:
    """The scenario's request as bytes of HTTP/1.1."""
    lines = [f"{scenario.method} {scenario.target} HTTP/1.1", f"host: 127.0.0.1:{port}"]
    lines += [f"{field}: {value}" for field, value in scenario.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def check_resting(clients: Sequence[socket.socket], who: str) -> None:
    """Fails when a connection of `clients` has ended or says something: what was measured was not rest then."""
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN | select.POLLRDHUP)
    stirred = len(poll.poll(0))
    if stirred:
        raise Failure(f"{who} did not let {stirred} of {len(clients)} connections rest")


def read_answer(client: socket.socket, answer_bytes: int) -> None:
    """Reads one answer to its end. Its length is known, so the end is where a head and that many bytes have come."""
    got = b""
    while True:
        piece = client.recv(65536)
        if not piece:
            raise Failure("a gateway closed a connection that was to rest")
        got += piece
        head, end, body = got.partition(b"\r\n\r\n")
        if end and len(body) >= answer_bytes:
            break
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"a gateway answered {head[:40]!r}")
