"""What an OCSP responder keeps: issuers, questions, what was true of them, answers and how long those are good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar

from ca.der import OCTET_STRING, SEQUENCE, integer, tlv
from ca.ocsp_answer import CACHE_SECONDS, Answer
from ca.ocsp_responses import Delegate, ResponseWriter
from ca.ocsp_states import Status

# How long a relying party may go on with an answer. Short, because a revocation is to be seen at once.
ANSWER_LIFETIME = timedelta(minutes=5)
# A kept answer is made anew well before its end: every cache may keep it for as long as it is told to.
KEPT_FOR = (ANSWER_LIFETIME - timedelta(seconds=CACHE_SECONDS)) / 2
_DIGESTS = {"sha1": bytes.fromhex("300906052b0e03021a0500"), "sha256": bytes.fromhex("300d06096086480165030402010500")}
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Party:
    """One issuer: who writes for it, and what was read of its certificates, at which revision."""

    def __init__(self, delegate: Delegate) -> None:
        self.name = delegate.issuer.name
        self.writer = ResponseWriter(delegate)
        self.names = {(digest, *delegate.issuer.identifier_hashes(digest)) for digest in _DIGESTS}
        self.known: dict[str, tuple[int, Status]] = {}
        self._cert_id_heads = [
            identifier + b"".join(tlv(OCTET_STRING, octets) for octets in delegate.issuer.identifier_hashes(digest))
            for digest, identifier in _DIGESTS.items()
        ]

    def cert_ids(self, serial: str) -> tuple[bytes, ...]:
        """Write the CertIDs (RFC 6960 §4.1.1) that clients use for a serial number; the first is the usual one (RFC 5019)."""
        return tuple(tlv(SEQUENCE, head + integer(int(serial, 16))) for head in self._cert_id_heads)


class Told(NamedTuple):
    """What was true of the certificates of a question, and its encoding for one instant.

    What is settled can change only together with the issuer's revision.
    """

    revision: int
    now: datetime
    statuses: tuple[Status | None, ...]
    singles: bytes
    is_settled: bool


class Kept(NamedTuple):
    """An answer without nonce, until when it is good enough, and what it says."""

    answer: Answer
    begin: datetime
    end: datetime
    statuses: tuple[Status | None, ...]


@dataclass(slots=True, eq=False)
class Question:
    """Certificates that were asked for; the serial number of one that is not the party's is None.

    `kept` was last seen to be true at `revision`. `wanted_at` is when its answer was wanted last: by a client, or because
    the certificate is new or was changed and a client may come; `is_asked` when one came.
    """

    party: Party
    ids: tuple[bytes, ...]
    serials: tuple[str | None, ...]
    wanted_at: datetime
    told: Told | None = None
    kept: Kept | None = None
    revision: int = -1
    is_asked: bool = False

    def tell(self, revision: int, statuses: Sequence[Status | None], now: datetime, valid: bytes) -> Told:
        """Write what is true at a revision; `valid` is the encoding of the time it is told for, from `now` on."""
        singles = map(self.party.writer.single, self.ids, statuses, [valid] * len(statuses))
        is_settled = all(status is not None and status.is_settled for status in statuses)
        return Told(revision, now, tuple(statuses), b"".join(singles), is_settled)

    def answer(self, told: Told, produced_at: bytes) -> Kept:
        """Sign an answer for everybody who asks without nonce; raises as the key does, and InvalidSignature."""
        der = self.party.writer.response(told.singles, None, produced_at)
        return Kept(Answer(der, told.now, told.now + ANSWER_LIFETIME), told.now, told.now + KEPT_FOR, told.statuses)


def put(kept: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Keep something; the oldest tenth goes when there is no room."""
    if len(kept) >= most and key not in kept:
        for old in list(islice(kept, max(1, most // 10))):
            del kept[old]
    kept[key] = value
