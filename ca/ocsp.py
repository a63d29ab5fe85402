"""The online status protocol (RFC 6960, RFC 5019, nonce by RFC 9654): request octets in, response octets out.

Answers are kept as long as they are right: by request, for the revision of the issuer that they were made at, until well
before their nextUpdate. The revision is read from the database, at most `fresh_for` seconds before the request came.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar

from ca.certificates import serial_text
from ca.ocsp_answer import CACHE_SECONDS, Answer
from ca.ocsp_requests import LONGEST_SERIAL, NONCE, CertId, Malformed, read
from ca.ocsp_responses import Delegate, ResponseWriter, failure, time_der, valid_der
from ca.ocsp_states import Status, StatusReader
from kernel.database import Database
from kernel.errors import Unavailable
from keys.trouble import KeyTroubleError

# How long a relying party may go on with an answer. Short, because a revocation is to be seen at once.
ANSWER_LIFETIME = timedelta(minutes=5)
# A kept answer is made anew well before its end: every cache may keep it for as long as it is told to.
_KEPT_FOR = (ANSWER_LIFETIME - timedelta(seconds=CACHE_SECONDS)) / 2
_MALFORMED, _TRY_LATER, _UNAUTHORIZED = Answer(failure(1)), Answer(failure(3), retry_after=5), Answer(failure(6))
_KEPT_ANSWERS = 50_000
_SERIAL_END = 1 << 8 * LONGEST_SERIAL
# Between the object identifier and the nonce stand two headers: OCTET STRING within OCTET STRING.
_NONCE_HEADERS = 4
_log = logging.getLogger(__name__)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Party:
    """One issuer: who writes for it, and what was read of its certificates, at which revision."""

    def __init__(self, delegate: Delegate) -> None:
        self.name = delegate.issuer.name
        self.writer = ResponseWriter(delegate)
        self.names = {(digest, *delegate.issuer.identifier_hashes(digest)) for digest in ("sha1", "sha256")}
        self.known: dict[str, tuple[int, Status]] = {}


class _Told(NamedTuple):
    """What was true of the certificates of a question, and its encoding for one instant."""

    revision: int
    now: datetime
    statuses: tuple[Status | None, ...]
    singles: bytes
    is_settled: bool


class _Kept(NamedTuple):
    """An answer without nonce, until when it is good enough, and what it says."""

    answer: Answer
    begin: datetime
    end: datetime
    statuses: tuple[Status | None, ...]


@dataclass(slots=True, eq=False)
class _Question:
    """Certificates that were asked for; the serial number of one that is not the party's is None.

    `kept` was last seen to be true at `revision`.
    """

    party: _Party
    ids: tuple[bytes, ...]
    serials: tuple[str | None, ...]
    told: _Told | None = None
    kept: _Kept | None = None
    revision: int = -1


class Responder:
    """Answers for the certificates of all issuers that delegated it; any thread may ask.

    `fresh_for` is how many seconds old the knowledge may be that nothing was revoked; `cert_hash` adds the hash of a
    certificate that was given out (Common PKI); `keep` is the number of answers that are kept.
    """

    def __init__(
        self,
        database: Database,
        delegates: Sequence[Delegate],
        *,
        fresh_for: float = 0,
        cert_hash: bool = False,
        keep: int = _KEPT_ANSWERS,
    ) -> None:
        self._reader = StatusReader(database, with_certificates=cert_hash)
        self._fresh_for, self._keep = fresh_for, keep
        self._lock = threading.Lock()
        self._revisions: Mapping[str, int] = {}
        self._read_at = float("-inf")
        self._times = (datetime.min.replace(tzinfo=UTC), b"", b"")
        self.take_over(delegates)

    def take_over(self, delegates: Sequence[Delegate]) -> None:
        """Answer in the name of these from now on: for issuers that came or renewed their responder's certificate."""
        parties = [_Party(delegate) for delegate in delegates]
        by_names: dict[tuple[str | None, bytes, bytes], _Party] = {
            name: party for party in reversed(parties) for name in party.names
        }
        with self._lock:
            self.delegates = tuple(delegates)
            self._parties = by_names
            # By the octets that ask: all of them, or those before the nonce together with the length of all.
            self._by_octets: dict[bytes | tuple[bytes, int], _Question] = {}
            self._by_ids: dict[tuple[bytes, ...], _Question] = {}

    def answer(self, request: bytes, now: datetime) -> Answer:
        """Answer a request; raises nothing, neither for what a client sent nor for trouble of ours (RFC 6960 §2.3)."""
        with self._lock:
            try:
                self._look_at_revisions()
                question = self._by_octets.get(request)
                if (
                    question is not None
                    and (kept := question.kept) is not None
                    and question.revision == self._revisions[question.party.name]
                    and kept.begin <= now < kept.end
                ):
                    return kept.answer
                return self._new_answer(request, question, now.replace(microsecond=0))
            except Malformed:
                return _MALFORMED
            except (Unavailable, KeyTroubleError):
                return _TRY_LATER
            except Exception:  # noqa: BLE001 (whatever it is, a relying party shall ask again and not take silence for good)
                _log.exception("an OCSP request could not be answered")
                return _TRY_LATER

    def _look_at_revisions(self) -> None:
        begin = time.monotonic()
        if begin - self._read_at > self._fresh_for:
            self._revisions = self._reader.revisions()
            self._read_at = begin

    def _new_answer(self, request: bytes, question: _Question | None, now: datetime) -> Answer:
        nonce, is_new = None, question is None
        if question is None:
            question, nonce, is_new = self._question(request)
        if question is None:
            return _UNAUTHORIZED
        told = self._tell(question, now)
        if nonce is not None and told.is_settled:
            question.told = told  # for those who ask the same with other nonces
        # What was never issued, or only promised, may become good while the revision stands still: it is not kept.
        if nonce is not None or not told.is_settled:
            answer = Answer(self._respond(question, told, nonce, once=True))
        else:
            answer = self._kept(question, told)
        if is_new and told.is_settled:
            octets = request if nonce is None else (request.removesuffix(nonce), len(request))
            _put(self._by_octets, octets, question, self._keep)
            _put(self._by_ids, question.ids, question, self._keep)
        return answer

    def _kept(self, question: _Question, told: _Told) -> Answer:
        kept = question.kept
        if kept is None or kept.statuses != told.statuses or not kept.begin <= told.now < kept.end:
            answer = Answer(self._respond(question, told, None), told.now, told.now + ANSWER_LIFETIME)
            kept = _Kept(answer, told.now, told.now + _KEPT_FOR, told.statuses)
        question.kept, question.revision = kept, told.revision
        return kept.answer

    def _question(self, request: bytes) -> tuple[_Question | None, bytes | None, bool]:
        """Return what is asked, the nonce, and whether these octets are new; no question when it is for nobody of ours."""
        if (at := request.rfind(NONCE)) >= 0:
            # Octets that were read before, but for the nonce at their end, say the same as then.
            at += len(NONCE) + _NONCE_HEADERS
            if (question := self._by_octets.get((request[:at], len(request)))) is not None:
                return question, request[at:], False
        asked = read(request)
        ids = tuple(cert_id.der for cert_id in asked.cert_ids)
        if (question := self._by_ids.get(ids)) is not None:
            return question, asked.nonce, True
        parties = [self._party_of(cert_id) for cert_id in asked.cert_ids]
        # One delegate signs; RFC 6960 §2.3: without one for any of the certificates we have no authority.
        party = next(filter(None, parties), None)
        if party is None:
            return None, asked.nonce, True
        serials = (
            serial_text(one.serial) if theirs is party and 0 < one.serial < _SERIAL_END else None
            for one, theirs in zip(asked.cert_ids, parties, strict=True)
        )
        return _Question(party, ids, tuple(serials)), asked.nonce, True

    def _party_of(self, cert_id: CertId) -> _Party | None:
        return self._parties.get((cert_id.algorithm, cert_id.name_hash, cert_id.key_hash))

    def _tell(self, question: _Question, now: datetime) -> _Told:
        """Return what is true at the revision that was read; None is the status of what we never issued."""
        party, told, revision = question.party, question.told, self._revisions[question.party.name]
        if told is not None and told.revision == revision and told.now == now:
            return told
        known = {serial: party.known.get(serial) for serial in question.serials if serial is not None}
        missing = [serial for serial, seen in known.items() if seen is None or seen[0] != revision]
        read_now = self._reader.statuses(party.name, missing)
        for serial in missing:
            known[serial] = None
        for serial, status in read_now.items():
            known[serial] = revision, status
            if status.is_settled:
                _put(party.known, serial, (revision, status), self._keep)
        seen = [known[serial] if serial is not None else None for serial in question.serials]
        statuses = tuple(one[1] if one is not None else None for one in seen)
        _, _, valid = self._encoded(now)
        singles = map(party.writer.single, question.ids, statuses, [valid] * len(statuses))
        is_settled = all(status is not None and status.is_settled for status in statuses)
        return _Told(revision, now, statuses, b"".join(singles), is_settled)

    def _respond(self, question: _Question, told: _Told, nonce: bytes | None, *, once: bool = False) -> bytes:
        _, produced_at, _ = self._encoded(told.now)
        return question.party.writer.response(told.singles, nonce, produced_at, once=once)

    def _encoded(self, now: datetime) -> tuple[datetime, bytes, bytes]:
        """Return an instant, its encoding, and that of thisUpdate and nextUpdate of what is told at it."""
        if self._times[0] != now:
            self._times = now, time_der(now), valid_der(now, now + ANSWER_LIFETIME)
        return self._times


def _put(kept: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Keep something; the oldest tenth goes when there is no room."""
    if len(kept) >= most and key not in kept:
        for old in list(islice(kept, max(1, most // 10))):
            del kept[old]
    kept[key] = value
