"""The logon check from the PC: whether the terminals door lets this key, certificate and access key in now."""

from dataclasses import dataclass
from pathlib import Path

from enrollment import codes as code_rules
from enrollment.client import connection
from enrollment.client.chain import common_name
from enrollment.client.connection import Identity, Server
from enrollment.client.folder import Folder
from kernel.errors import Refused

PATH = "/api/v1/logons"
FORBIDDEN = 403


@dataclass(frozen=True)
class Logon:
    """The door's answer. `refusal` is None when the logon is permitted, else it carries the domain's code (A0006 …)."""

    terminal: str
    refusal: Refused | None = None

    @property
    def permitted(self) -> bool:
        """Whether the terminal may log on."""
        return self.refusal is None


def logon(
    folder: Path, server: Server, access_key: str, *, terminal: str | None = None, passphrase: bytes | None = None
) -> Logon:
    """Ask the terminals door; `terminal` is the certificate's own unless another is to be tried.

    A refusal for the terminal (403) is an answer. Raises Refused for what prevented one: no-certificate, no-key,
    passphrase-needed, passphrase-wrong, input-invalid, and as `connection.post`.
    """
    held = Folder(folder, passphrase).holding()
    if held is None:
        raise Refused("no-certificate", path=str(folder))
    if held.key is None:
        raise Refused("no-key" if held.key_matches is False else "passphrase-needed", path=str(folder))
    if not held.key_matches:
        raise Refused("certificate-of-another-key")
    name = terminal or common_name(held.certificate)
    body = {"terminal": name, "access_key": code_rules.normal_access_key(access_key)}
    try:
        connection.post(server, PATH, body, Identity(held.key, (held.certificate, *held.chain)))
    except Refused as refused:
        if refused.facts.get("status") != FORBIDDEN or refused.code == "answer-unexpected":
            raise
        return Logon(name, refused)
    return Logon(name)
