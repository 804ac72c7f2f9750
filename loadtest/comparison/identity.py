"""What a gateway tells the origin of the client: who asked, by what, for which host, and under which name it is logged.

Ringway always says that. The others are told to say the same, as whoever puts them in front of services does:
`X-Forwarded-For`, `-Proto`, `-Host` and a fresh `X-Request-Id`. Without it (`--fields bare`) they do less work.
"""

from comparison.scenarios import H2C, Protocols


def nginx(spoken: Protocols) -> str:
    verb = "grpc_set_header" if spoken.upstream == H2C else "proxy_set_header"
    fields = {
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Forwarded-Host": "$http_host",
        "X-Request-Id": "$request_id",
    }
    return "\n    ".join(f"{verb} {name} {value};" for name, value in fields.items())


def haproxy(spoken: Protocols) -> str:
    fields = {
        "X-Forwarded-For": "%[src]",
        "X-Forwarded-Proto": "https" if spoken.tls else "http",
        "X-Forwarded-Host": "%[req.hdr(host)]",
        "X-Request-Id": "%[uuid]",
    }
    return "\n    ".join(f"http-request set-header {name} {value}" for name, value in fields.items())


def envoy(_: Protocols) -> str:
    # With the address of the peer come X-Forwarded-For and -Proto; a route would have to add -Host.
    return "generate_request_id: true\n          use_remote_address: true"


def caddy(_: Protocols) -> str:
    # X-Forwarded-* are its own habit.
    return "header_up X-Request-Id {http.request.uuid}"


def nothing(_: Protocols) -> str:
    """For a gateway that has all this by itself, or (Traefik) X-Forwarded-* without a request id."""
    return ""


def envoy_bare(_: Protocols) -> str:
    return "generate_request_id: false"
