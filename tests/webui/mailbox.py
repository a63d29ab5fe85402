"""Where mails arrive: what the outbox holds is delivered with its links made, as the job does it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from kernel import outbox
from kernel.clock import Clock
from kernel.database import Database
from kernel.outbox import Letter
from webui.accounts import Door, links

PORTAL, CENTER = "https://portal.example.jp", "https://center.example.jp"
_LINK = re.compile(r"^(https://\S+)#([\w-]{43})$", re.MULTILINE)


@dataclass
class Mailbox:
    """Everybody's mailbox in one."""

    database: Database
    clock: Clock
    letters: list[Letter] = field(default_factory=list)

    def fetch(self, transport: Callable[[Letter], None] | None = None) -> list[Letter]:
        """Let everything that is due arrive; return what is new."""
        before = len(self.letters)
        urls = {Door.PORTAL: PORTAL, Door.CENTER: CENTER}
        carrier = links.Carrier(self.database, self.clock, urls, transport or self.letters.append)
        outbox.deliver(self.database, carrier, now=self.clock.now())
        return self.letters[before:]

    def link_to(self, recipient: str) -> tuple[str, str]:
        """Fetch, and return address and secret of the newest link that somebody was mailed."""
        self.fetch()
        bodies = [letter.body for letter in self.letters if letter.recipient == recipient and _LINK.search(letter.body)]
        found = _LINK.search(bodies[-1])
        assert found is not None
        return found[1], found[2]

    def token_of(self, recipient: str) -> str:
        """Fetch, and return the secret of the newest link that somebody was mailed."""
        return self.link_to(recipient)[1]
