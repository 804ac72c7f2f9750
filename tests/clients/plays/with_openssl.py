"""openssl's client: what of TLS is spoken and what is not."""

from stage import Stage

ASK = b"GET /h1/hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def _client(stage: Stage, *arguments: object, sends: bytes = b"", fails: bool = False) -> str:
    connect = ("-connect", stage.at("secure"), "-CAfile", stage.ca, "-verify_return_error", "-ign_eof")
    return stage.run("openssl", "s_client", *connect, *arguments, sends=sends, fails=fails)[1]


def speaks_both_versions(stage: Stage) -> None:
    """TLS 1.2 and 1.3, each with an answer and close_notify behind it."""
    for version in ("tls1_2", "tls1_3"):
        said = _client(stage, f"-{version}", "-servername", "localhost", sends=ASK)
        assert version.replace("tls1_", "TLSv1.") in said and "Verify return code: 0" in said, said
        # Without close_notify openssl 3 complains of an unexpected end.
        assert "hello" in said and said.rstrip().endswith("closed"), said


def is_refused_older_versions(stage: Stage) -> None:
    """TLS 1.1 ends with the alert that says why."""
    for version in ("tls1", "tls1_1"):
        said = _client(stage, f"-{version}", "-cipher", "DEFAULT@SECLEVEL=0", sends=ASK, fails=True)
        assert "alert protocol version" in said, said


def agrees_on_a_protocol(stage: Stage) -> None:
    """The listener's order decides; what it does not speak ends with an alert."""
    for offered, chosen in (("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")):
        said = _client(stage, "-alpn", offered, sends=b"" if chosen == "h2" else ASK)
        assert f"ALPN protocol: {chosen}\n" in said, said
    said = _client(stage, "-alpn", "spdy/3", fails=True)
    assert "alert no application protocol" in said, said


def names_a_server(stage: Stage) -> None:
    """The certificate is for the name that was asked for."""
    for name in ("localhost", "other.localhost"):
        said = _client(stage, "-servername", name, "-verify_hostname", name, sends=ASK)
        assert "Verify return code: 0" in said, said


def resumes_with_a_ticket(stage: Stage) -> None:
    """A ticket that is kept in a file is taken by any worker."""
    for version in ("tls1_2", "tls1_3"):
        ticket = stage.directory / f"{version}.ticket"
        _client(stage, f"-{version}", "-sess_out", ticket, sends=ASK)
        for _ in range(8):
            said = _client(stage, f"-{version}", "-sess_in", ticket, sends=ASK)
            assert "Reused, TLSv1." in said and "hello" in said, said
