"""`POST /api/v1/retrievals` for many at once: bodies in, bodies out, without Flask and without a word of refusal.

Whoever is refused, or is unusual in any other way, gets no answer here: the view of `enrollment.protocols.retrieval` has the
words, and counts. A body is read by its model and answered by its writer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from enrollment.protocols import json_bodies
from enrollment.protocols.certificate_answers import told
from enrollment.protocols.retrieval import RetrievalRequest
from enrollment.redemption import Asked, Redemption
from kernel.errors import Refused

STATUS = "201 CREATED"  # what is answered here is new


@dataclass(frozen=True)
class Sent:
    """A body, and the address of who sent it."""

    body: bytes
    source: str


@dataclass(frozen=True)
class UsualRetrievals:
    """Answers those who are usual; `dumps` writes the JSON of the door's app."""

    redemption: Redemption
    dumps: Callable[[object], str]

    def answers(self, sent: Sequence[Sent]) -> list[bytes | None]:
        """Return the body of each answer, all with `STATUS`; None for whoever is to be asked alone, as if this had not been."""
        asked = [_read(one) for one in sent]
        retrieved = iter(self.redemption.redeem_usual([one for one in asked if one is not None]))
        found = [next(retrieved) if one is not None else None for one in asked]
        return [self.dumps(told(one).model_dump(mode="json")).encode() if one is not None else None for one in found]


def _read(sent: Sent) -> Asked | None:
    try:
        body = json_bodies.parsed(sent.body, RetrievalRequest)
        return Asked(body.typed(), body.csr.encode(), sent.source)
    except (Refused, ValueError):
        return None
