"""The online status protocol (RFC 6960, RFC 5019, nonce by RFC 9654): request octets in, response octets out.

Answers are kept as long as they are right: by request, for the revision of the issuer that they were made at, until well
before their nextUpdate. The revision is read from the database, at most `fresh_for` seconds before the request came.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ca.certificates import serial_text
from ca.ocsp_answer import Answer
from ca.ocsp_kept import ANSWER_LIFETIME, KEPT_FOR, Kept, Party, Question, Told, put
from ca.ocsp_requests import LONGEST_SERIAL, NONCE, CertId, Malformed, read
from ca.ocsp_responses import Delegate, failure, time_der, valid_der
from ca.ocsp_states import StatusReader
from kernel.database import Database
from kernel.errors import Unavailable
from keys.trouble import KeyTroubleError

_MALFORMED, _TRY_LATER, _UNAUTHORIZED = Answer(failure(1)), Answer(failure(3), retry_after=5), Answer(failure(6))
_KEPT_ANSWERS = 50_000
_SERIAL_END = 1 << 8 * LONGEST_SERIAL
# Between the object identifier and the nonce stand two headers: OCTET STRING within OCTET STRING.
_NONCE_HEADERS = 4
# An answer may be made anew, ahead of the next question, from a while before its end on.
_RIPE_AFTER = KEPT_FOR * 3 / 4
# Who keeps an answer until its nextUpdate asks again after it: what was wanted within two lifetimes is wanted still.
_WANTED_FOR = 2 * ANSWER_LIFETIME
_LOOKED_THROUGH = 50  # answers in one go, so that nobody waits for it
_log = logging.getLogger(__name__)


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
        parties = [Party(delegate) for delegate in delegates]
        by_names: dict[tuple[str | None, bytes, bytes], Party] = {
            name: party for party in reversed(parties) for name in party.names
        }
        with self._lock:
            self.delegates, self.parties = tuple(delegates), tuple(parties)
            self._by_names = by_names
            # By the octets that ask: all of them, or those before the nonce together with the length of all.
            self._by_octets: dict[bytes | tuple[bytes, int], Question] = {}
            self._by_ids: dict[tuple[bytes, ...], Question] = {}
            # Kept answers in the order in which they were made, which is that of their ends.
            self._made: deque[tuple[Question, Kept]] = deque(maxlen=self._keep)

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
                    question.wanted_at = now
                    return kept.answer
                return self._new_answer(request, question, now.replace(microsecond=0))
            except Malformed:
                return _MALFORMED
            except (Unavailable, KeyTroubleError):
                return _TRY_LATER
            except Exception:  # noqa: BLE001 (whatever it is, a relying party shall ask again and not take silence for good)
                _log.exception("an OCSP request could not be answered")
                return _TRY_LATER

    def ripe(self, now: datetime) -> Question | None:
        """Return one whose kept answer will not be good enough for long, and is wanted; each is returned once."""
        with self._lock:
            for _ in range(min(_LOOKED_THROUGH, len(self._made))):
                question, kept = self._made[0]
                if kept.begin <= now < kept.begin + _RIPE_AFTER:
                    return None
                self._made.popleft()
                # Another may have taken its place, or the machine could not keep up: then whoever asks has it signed.
                if question.kept is not kept or not kept.begin <= now < kept.end:
                    continue
                if now < question.wanted_at + _WANTED_FOR and question is self._by_ids.get(question.ids):
                    return question
                if not question.is_asked:
                    self._by_ids.pop(question.ids, None)
            return None

    def known(self, ids: tuple[bytes, ...]) -> Question | None:
        """Return the question for some CertIDs when its answer is kept."""
        return self._by_ids.get(ids)

    def has_room(self) -> bool:
        """Whether a question can be kept without losing another."""
        return len(self._by_ids) < self._keep

    def accept(self, question: Question, kept: Kept, revision: int, *, instead_of: Kept | None) -> None:
        """Keep an answer that was signed ahead and was true at a revision, unless another was made meanwhile."""
        with self._lock:
            if question.kept is not instead_of or question.party not in self.parties:
                return
            # Somebody may have asked it for the first time meanwhile: theirs is the one that their octets lead to.
            if self._by_ids.get(question.ids, question) is not question:
                return
            question.kept, question.revision = kept, revision
            if kept is not instead_of:
                self._made.append((question, kept))
            put(self._by_ids, question.ids, question, self._keep)

    def _look_at_revisions(self) -> None:
        begin = time.monotonic()
        if begin - self._read_at > self._fresh_for:
            self._revisions = self._reader.revisions()
            self._read_at = begin

    def _new_answer(self, request: bytes, question: Question | None, now: datetime) -> Answer:
        nonce, is_new = None, question is None
        if question is None:
            question, nonce, is_new = self._question(request, now)
        if question is None:
            return _UNAUTHORIZED
        told = self._tell(question, now)
        if nonce is not None and told.is_settled:
            question.told = told  # for those who ask the same with other nonces
        # What was never issued, or only promised, may become good while the revision stands still: it is not kept.
        if nonce is not None or not told.is_settled:
            answer = Answer(self._respond(question, told, nonce))
        else:
            answer = self._kept_answer(question, told)
        if is_new and told.is_settled:
            octets = request if nonce is None else (request.removesuffix(nonce), len(request))
            put(self._by_octets, octets, question, self._keep)
            put(self._by_ids, question.ids, question, self._keep)
            question.is_asked = True
        return answer

    def _kept_answer(self, question: Question, told: Told) -> Answer:
        kept = question.kept
        if kept is None or kept.statuses != told.statuses or not kept.begin <= told.now < kept.end:
            kept = question.answer(told, self._encoded(told.now)[1])
            self._made.append((question, kept))
        question.kept, question.revision, question.wanted_at = kept, told.revision, told.now
        return kept.answer

    def _question(self, request: bytes, now: datetime) -> tuple[Question | None, bytes | None, bool]:
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
        return Question(party, ids, tuple(serials), now), asked.nonce, True

    def _party_of(self, cert_id: CertId) -> Party | None:
        return self._by_names.get((cert_id.algorithm, cert_id.name_hash, cert_id.key_hash))

    def _tell(self, question: Question, now: datetime) -> Told:
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
                put(party.known, serial, (revision, status), self._keep)
        seen = [known[serial] if serial is not None else None for serial in question.serials]
        statuses = [one[1] if one is not None else None for one in seen]
        return question.tell(revision, statuses, now, self._encoded(now)[2])

    def _respond(self, question: Question, told: Told, nonce: bytes | None) -> bytes:
        return question.party.writer.response(told.singles, nonce, self._encoded(told.now)[1], once=True)

    def _encoded(self, now: datetime) -> tuple[datetime, bytes, bytes]:
        """Return an instant, its encoding, and that of thisUpdate and nextUpdate of what is told at it."""
        if self._times[0] != now:
            self._times = now, time_der(now), valid_der(now, now + ANSWER_LIFETIME)
        return self._times
