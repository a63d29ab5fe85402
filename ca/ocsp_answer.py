"""An OCSP response, and how HTTP carries it (RFC 6960 appendix A, RFC 5019 §6.2)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property

OCSP_RESPONSE = "application/ocsp-response"
CACHE_SECONDS = 60  # a cache between us and a relying party may not delay a revocation for longer

_LIVE = b"Content-Type: application/ocsp-response\r\nContent-Length: %d\r\nCache-Control: no-store\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """A response; without `this_update` and `next_update` it answers one nonce or says that something is wrong.

    `retry_after` (seconds) is there when asking again will help.
    """

    der: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None
    retry_after: int | None = None

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """HTTP's header fields, except those that name the present or the connection."""
        told = [("Content-Type", OCSP_RESPONSE), ("Content-Length", str(len(self.der)))]
        if self.this_update is None or self.next_update is None:
            told.append(("Cache-Control", "no-store"))
            return (*told, ("Retry-After", str(self.retry_after))) if self.retry_after else tuple(told)
        return (
            *told,
            ("Cache-Control", f"max-age={CACHE_SECONDS}, public, no-transform, must-revalidate"),
            ("Last-Modified", http_date(self.this_update)),
            ("Expires", http_date(self.next_update)),
            # Each signature is another one, so an entity tag holds only for what was sent.
            ("ETag", f'"{hashlib.sha256(self.der).hexdigest()}"'),
        )

    @cached_property
    def message(self) -> bytes:
        """The fields, the empty line and the response: what follows the status line and the date."""
        if self.next_update is None and self.retry_after is None:
            return _LIVE % len(self.der) + self.der  # the same as below, for answers that are made for one request each
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.fields)
        return lines.encode("ascii") + b"\r\n" + self.der


def http_date(instant: datetime) -> str:
    """Write an instant as RFC 9110 §5.6.7 has it."""
    return format_datetime(instant, usegmt=True)
