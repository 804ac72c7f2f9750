"""How each gateway is told what to speak: the parts of its template that depend on TLS and on the version of HTTP.

All of them get the same certificate, TLS 1.3 alone, and their own defaults for tickets. The cipher and the group are the
generators' choice, so that they are alike as well. Not here: what is the same in every scenario, which is in the
templates, and what they tell the origin of the client (`identity`).
"""

import dataclasses
import pathlib
import subprocess

from comparison.figures import Failure
from comparison.processes import need
from comparison.scenarios import H2, H2C, PLAIN, Protocols


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One pair for all gateways: files in PEM, the third of them with both."""

    certificate: pathlib.Path
    key: pathlib.Path
    both: pathlib.Path

    @classmethod
    def in_directory(cls, directory: pathlib.Path) -> "Certificate":
        return cls(*(directory / name for name in ("certificate.pem", "key.pem", "both.pem")))

    def make(self) -> None:
        """Makes a key on P-256 and signs it by itself, for the time of a measurement."""
        command = [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]
        command += ["subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(self.key), "-out", str(self.certificate)]
        made = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if made.returncode != 0:
            raise Failure(f"openssl made no certificate: {made.stderr[-500:]}")
        self.both.touch(mode=0o600)
        self.both.write_text(self.certificate.read_text() + self.key.read_text())


def alpn(spoken: Protocols) -> str:
    """The one protocol that is offered to clients: what a scenario measures must not be chosen by anybody else."""
    return "h2" if spoken.downstream == H2 else "http/1.1"


def nginx(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    options = (" ssl" if spoken.tls else "") + (" http2" if spoken.downstream == H2 else "")
    lines = [f"ssl_certificate {pair.certificate};", f"ssl_certificate_key {pair.key};", "ssl_protocols TLSv1.3;"]
    return {
        "listen_options": options,
        "tls": "\n        ".join(lines if spoken.tls else []),
        "pass": "grpc_pass grpc://origin" if spoken.upstream == H2C else "proxy_pass http://origin",
    }


def haproxy(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    options = f" ssl crt {pair.both} ssl-min-ver TLSv1.3 alpn {alpn(spoken)}" if spoken.tls else ""
    if spoken.downstream == H2 and not spoken.tls:
        options = " proto h2"
    return {"bind_options": options, "server_options": " proto h2" if spoken.upstream == H2C else ""}


def envoy(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    tls = f"""transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: ["{alpn(spoken)}"]
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - certificate_chain: {{ filename: "{pair.certificate}" }}
              private_key: {{ filename: "{pair.key}" }}
      filters:"""
    upstream = """typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }"""
    return {
        "codec": "HTTP2" if spoken.downstream == H2 else "HTTP1",
        "filters": tls if spoken.tls else "filters:",
        "upstream_protocol": upstream if spoken.upstream == H2C else "",
    }


def caddy(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    protocols = "h1"
    if spoken.downstream == H2:
        # Without TLS, Caddy has HTTP/2 beside HTTP/1.1 only.
        protocols = "h1 h2" if spoken.tls else "h1 h2c"
    # The site's protocols are the server's; a policy of its own offers one of them.
    tls = f"tls {pair.certificate} {pair.key} {{\n\t\tprotocols tls1.3\n\t\talpn {alpn(spoken)}\n\t}}"
    return {
        "scheme": "https" if spoken.tls else "http",
        "protocols": protocols,
        "tls": tls if spoken.tls else "",
        "upstream_versions": "versions h2c 2" if spoken.upstream == H2C else "",
    }


def traefik(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    tls = f"""tls:
  certificates: [{{ certFile: "{pair.certificate}", keyFile: "{pair.key}" }}]
  stores: {{ default: {{ defaultCertificate: {{ certFile: "{pair.certificate}", keyFile: "{pair.key}" }} }} }}
  options: {{ default: {{ minVersion: VersionTLS13, alpnProtocols: ["{alpn(spoken)}"] }} }}"""
    return {
        "entry_tls": "http: { tls: {} }" if spoken.tls else "",
        "tls": tls if spoken.tls else "",
        "upstream_scheme": "h2c" if spoken.upstream == H2C else "http",
    }


def ringway(spoken: Protocols, pair: Certificate) -> dict[str, str]:
    if spoken == PLAIN:
        return {"listener_options": "", "tls": "", "upstream_protocol": ""}
    options = f'protocols = ["{alpn(spoken)}"]'
    tls = f"""[tls.all]
certificates = [{{ cert = "{pair.certificate}", key = "{pair.key}" }}]
min_version  = "1.3"
"""
    return {
        "listener_options": options + ('\ntls       = "all"' if spoken.tls else ""),
        "tls": tls if spoken.tls else "",
        "upstream_protocol": f'protocol         = "{spoken.upstream}"' if spoken.upstream == H2C else "",
    }
