"""The gateway's question: may whoever presents this certificate pass? The certificate alone decides, there is no access key.

It reads and never writes. Passing a gateway is therefore no logon, and the certificate before a renewed one lives on until the
new one's first logon or its seventh day: it is not the current one, so no gateway that asks lets it pass.
"""

from dataclasses import dataclass
from datetime import datetime

from enrollment import standing
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import standing as terminals


@dataclass(frozen=True)
class Passage:
    """Who passes, and until when at the latest."""

    terminal: str
    office_code: str
    not_after: datetime


@dataclass(frozen=True)
class Gateway:
    """Answers one question, from one snapshot."""

    database: Database
    clock: Clock

    def authorize(self, certificate: bytes | None) -> Passage:
        """Return who passes with a certificate (DER) whose key its holder has proven to have.

        Raises Refused with the domain's code: E103 no certificate; "certificate-unreadable"; A0019 it names no terminal;
        and as `standing.require_good`.
        """
        now = self.clock.now()
        if certificate is None:
            raise Refused("E103")
        with self.database.snapshot() as session:
            shown = standing.read(session, certificate)
            terminal = terminals.of(session, shown.subject)
            if terminal is None:
                raise Refused("A0019")
            current = standing.current_of(session, terminal.name)
            not_after = standing.require_good(session, shown, current, terminal, now)
        return Passage(terminal.name, terminal.office_code, not_after)
