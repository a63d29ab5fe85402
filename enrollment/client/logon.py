"""The logon check from the PC: whether the terminals door lets this key, certificate and access key in now."""

from dataclasses import dataclass
from pathlib import Path

from enrollment import codes as code_rules
from enrollment.client import connection
from enrollment.client.chain import common_name
from enrollment.client.connection import Server
from enrollment.client.folder import Folder
from enrollment.client.possession import possession_of
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
    mine = possession_of(Folder(folder, passphrase))
    name = terminal or common_name(mine.held.certificate)
    body = {"terminal": name, "access_key": code_rules.normal_access_key(access_key)}
    try:
        connection.post(server, PATH, body, mine.identity)
    except Refused as refused:
        if refused.facts.get("status") != FORBIDDEN or refused.code == "answer-unexpected":
            raise
        return Logon(name, refused)
    return Logon(name)
