"""The address that undeliverable mails go back to: one of each mail, told by a token in front of the @.

It is the envelope's sender only; what the recipient reads as From stays as it is.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ReturnAddress:
    """`address` is the mailbox, `bounces@example.jp`; a mail's own is `bounces+TOKEN@example.jp`."""

    address: str

    def of(self, token: str) -> str:
        """Return a mail's own address."""
        user, _, domain = self.address.rpartition("@")
        return f"{user}+{token}@{domain}"

    def token(self, address: str) -> str:
        """Return the token of a mail's own address, empty for any other address."""
        user, _, domain = address.lower().rpartition("@")
        mailbox, _, token = user.rpartition("+")
        if f"{mailbox}@{domain}" != self.address.lower() or not _TOKEN.fullmatch(token):
            return ""
        return token


def is_token(text: str) -> bool:
    """Tell whether a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None
