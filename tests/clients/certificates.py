"""An authority of one run and a certificate for localhost, by openssl."""

import base64
import hashlib
import pathlib
import subprocess

EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:other.localhost, IP:127.0.0.1
"""


class Certificates:
    """`ca.pem`, and `server.pem` with `server.key`, in `directory`."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.ca, self.server = directory / "ca.pem", directory / "server.pem"
        self._make()

    def _make(self) -> None:
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test CA")
        self._openssl("req", *new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        (self.directory / "server.ext").write_text(EXTENSIONS)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext", "-days", "30")
        self._openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signed)
        (self.directory / "server.key").chmod(0o600)

    def spki(self) -> str:
        """The hash of the server's public key, by which Chromium can be told to take it."""
        key = self._openssl("x509", "-in", "server.pem", "-pubkey", "-noout")
        der = base64.b64decode(b"".join(line for line in key.splitlines() if not line.startswith(b"-----")))
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def _openssl(self, *arguments: str) -> bytes:
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout
