"""Scripts for Windows that retrieve a certificate for a key which never leaves the PC: `certreq` makes and keeps it.

They hold a terminal's name, our door's address and our root certificates; no code ever. The script asks for the codes.
"""

import base64
import re
from dataclasses import dataclass
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.errors import Refused

TERMINAL = re.compile(r"[0-9]{5}[A-Z]")
# A name goes into file names and script text: what is written there must not be able to mean anything.
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_BOM = "\ufeff"


@dataclass(frozen=True)
class WindowsScripts:
    """Makes the scripts of a door: `door` is its public address, `roots` the certificates (PEM) that its clients trust."""

    door: str
    roots: bytes

    def request_file(self, terminal: str) -> bytes:
        """Return what `certreq -new` reads: `TERMINAL.inf`.

        ASCII with CRLF: INF files know no UTF-8. Raises Refused("terminal-name-invalid").
        """
        return _filled("windows_request.inf", {"TERMINAL": _checked(terminal)}).encode("ascii")

    def script(self, terminal: str) -> bytes:
        """Return the script that makes the key, asks for the codes, fetches and installs: `TERMINAL.ps1`.

        UTF-8 with a byte order mark, without which Windows PowerShell 5.1 reads Japanese as another encoding, and CRLF.
        Raises Refused("terminal-name-invalid").
        """
        request = self.request_file(terminal).decode("ascii")
        if not _ADDRESS.fullmatch(self.door):
            raise ValueError(f"no address for a script: {self.door}")
        roots = [root.public_bytes(Encoding.DER) for root in x509.load_pem_x509_certificates(self.roots)]
        text = _filled(
            "windows_retrieve.ps1",
            {
                "TERMINAL": terminal,
                "DOOR": self.door,
                "ROOTS": ",\n    ".join(f"'{base64.b64encode(root).decode()}'" for root in roots),
                "REQUEST": request.replace("\r\n", "\n").strip(),
            },
        )
        return (_BOM + text).encode("utf-8")


def _checked(terminal: str) -> str:
    if not TERMINAL.fullmatch(terminal):
        raise Refused("terminal-name-invalid")
    return terminal


def _filled(name: str, values: dict[str, str]) -> str:
    """Return a file of ours with its `@NAME@` filled in, with the line ends of Windows."""
    text = resources.files("enrollment").joinpath("windows", name).read_text(encoding="utf-8")
    for place, value in values.items():
        text = text.replace(f"@{place}@", value)
    return text.replace("\n", "\r\n")
