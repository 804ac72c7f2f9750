"""Headless Chromium loads page.html over TLS and HTTP/2: fetch, EventSource and WebSocket."""

import html
import json
import re

from stage import Stage

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--dump-dom",
)  # fmt: skip


def loads_a_page(stage: Stage) -> None:
    """What the page saw is in the DOM that Chromium prints; the page counts as loaded only when that is there."""
    own = f"--user-data-dir={stage.directory}/chromium"
    trust = f"--ignore-certificate-errors-spki-list={stage.certificates.spki()}"
    out, said = stage.run("chromium", *SWITCHES, own, trust, stage.url("secure", "/h1/page"))
    found = re.search(r'<pre id="outcome">(.+?)</pre>', out.decode())
    assert found, said
    outcome = json.loads(html.unescape(found[1]))
    assert outcome["fetch"] == ["hello", True, 404], outcome
    assert outcome["events"] == ["event 1", "event 2", "event 3"], outcome
    assert outcome["socket"] == ["text", 100000, "echo", 4001, "as asked"], outcome
    protocols = outcome["protocols"]
    assert {"/h1/page", "/h1/hello", "/h2c/echo", "/nowhere", "/h1/events"} <= set(protocols), outcome
    assert set(protocols.values()) == {"h2"}, outcome
