"""OCSP answers signed before somebody asks: those that end soon, and those about certificates that changed or are new.

Nobody waits for it, and nothing is right because of it: an answer that was signed ahead is kept as if somebody had asked,
together with the revision at which it was true, and given out only as long as the responder finds no other revision.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from ca.ocsp import Responder
from ca.ocsp_kept import ANSWER_LIFETIME, Question
from ca.ocsp_responses import time_der, valid_der
from ca.ocsp_states import StatusReader

# Certificates that one look finds at most; who changes more at once has the others signed when they are asked for.
_MOST_CHANGED, _MOST_NEW = 1_000, 100
_Name = tuple[str, str]  # of an issuer, and a serial number


class SignerAhead:
    """Signs for a responder, little at a time; for one thread, with a connection of its own.

    `look_each` is how many seconds apart it looks for what changed.
    """

    def __init__(self, responder: Responder, reader: StatusReader, *, look_each: float = 0) -> None:
        self._responder, self._reader, self._look_each = responder, reader, look_each
        self._looked_at = float("-inf")
        self._revisions: Mapping[str, int] = {}
        self._newest: frozenset[_Name] = frozenset()
        # What is signed next stands on the right: what changed before what is new, the latest first.
        self._waiting: deque[_Name] = deque(maxlen=_MOST_CHANGED)

    def step(self, now: datetime) -> bool:
        """Sign what one certificate, or one question, needs; return whether there was any.

        Raises Unavailable, KeyTroubleError and InvalidSignature: then the answer is signed when somebody asks.
        """
        self._look()
        instant = now.replace(microsecond=0)
        if self._waiting:
            for question in self._questions(self._waiting.pop(), instant):
                question.wanted_at = instant
                self._sign(question, instant, is_ripe=False)
            return True
        ripe = self._responder.ripe(instant)
        if ripe is not None:
            self._sign(ripe, instant, is_ripe=True)
        return ripe is not None

    def _look(self) -> None:
        begin = time.monotonic()
        if begin - self._looked_at <= self._look_each:
            return
        self._looked_at = begin
        revisions, newest = self._reader.revisions(), self._reader.newest(_MOST_NEW)
        found = [one for one in reversed(newest) if one not in self._newest]
        for issuer, revision in revisions.items():
            if (since := self._revisions.get(issuer, revision)) != revision:
                found += [(issuer, serial) for serial in reversed(self._reader.changed(issuer, since, _MOST_CHANGED))]
        # All was read: what the database failed to tell is looked for again.
        self._waiting.extend(found)
        self._revisions, self._newest = revisions, frozenset(newest)

    def _questions(self, name: _Name, now: datetime) -> Iterable[Question]:
        """Yield how one certificate is asked for: as most clients do, and in other forms whose answers are kept."""
        issuer, serial = name
        for party in self._responder.parties:
            if party.name == issuer:
                usual, *others = party.cert_ids(serial)
                known = [self._responder.known((one,)) for one in (usual, *others)]
                if known[0] is None and self._responder.has_room():
                    known[0] = Question(party, (usual,), (serial,), now)
                yield from filter(None, known)

    def _sign(self, question: Question, now: datetime, *, is_ripe: bool) -> None:
        party, before = question.party, question.kept
        revision = self._revisions[party.name]
        # Read after the revision: what is told may be newer than it, and then it will be looked at again, but never older.
        found = self._reader.statuses(party.name, [serial for serial in question.serials if serial is not None])
        statuses = tuple(found.get(serial) if serial is not None else None for serial in question.serials)
        kept = before
        if kept is None or is_ripe or kept.statuses != statuses or not kept.begin <= now < kept.end:
            told = question.tell(revision, statuses, now, valid_der(now, now + ANSWER_LIFETIME))
            if not told.is_settled:
                return
            kept = question.answer(told, time_der(now))
        self._responder.accept(question, kept, revision, instead_of=before)
