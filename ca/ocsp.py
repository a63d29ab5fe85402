"""The online status protocol (RFC 6960, RFC 5019, nonce by RFC 9654): request octets in, response octets out.

Answers are kept as long as they are right: by request, for the revision of the issuer that they were made at, until well
before their nextUpdate. The revision is read from the database, at most `fresh_for` seconds before the request came.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import issuers
from ca.certificates import CertificateState, serial_text
from ca.issuers import Issuer
from ca.ocsp_answer import CACHE_SECONDS, Answer
from ca.ocsp_requests import LONGEST_SERIAL, Asked, CertId, Malformed, read
from ca.ocsp_responses import Delegate, ResponseWriter, failure, time_der, valid_der
from ca.ocsp_states import Status, StatusReader
from ca.tables import CertificateRow
from kernel.database import Database
from kernel.errors import Unavailable

# How long a relying party may go on with an answer. Short, because a revocation is to be seen at once.
ANSWER_LIFETIME = timedelta(minutes=5)
# A kept answer is made anew well before its end: every cache may keep it for as long as it is told to.
_KEPT_FOR = (ANSWER_LIFETIME - timedelta(seconds=CACHE_SECONDS)) / 2
_MALFORMED, _TRY_LATER, _UNAUTHORIZED = Answer(failure(1)), Answer(failure(3), retry_after=5), Answer(failure(6))
_KEPT_ANSWERS = 50_000
_log = logging.getLogger(__name__)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Kept:
    """An answer, what it says, and at which revision of its issuer that was last seen to be true."""

    answer: Answer
    issuer: str
    revision: int
    statuses: tuple[Status | None, ...]
    begin: datetime
    end: datetime


class _Party:
    """One issuer: who writes for it, and what was read of its certificates."""

    def __init__(self, delegate: Delegate) -> None:
        self.name = delegate.issuer.name
        self.writer = ResponseWriter(delegate)
        self.names = {(digest, *delegate.issuer.identifier_hashes(digest)) for digest in ("sha1", "sha256")}
        self.known: dict[str, tuple[int, Status]] = {}


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
        self.take_over(delegates)

    def take_over(self, delegates: Sequence[Delegate]) -> None:
        """Answer in the name of these from now on: for issuers that came or renewed their responder's certificate."""
        parties = [_Party(delegate) for delegate in delegates]
        with self._lock:
            self.delegates = tuple(delegates)
            self._parties: dict[tuple[str | None, bytes, bytes], _Party] = {
                name: party for party in reversed(parties) for name in party.names
            }
            self._kept: dict[bytes, _Kept] = {}
            self._kept_by_ids: dict[tuple[bytes, ...], _Kept] = {}

    def answer(self, request: bytes, now: datetime) -> Answer:
        """Answer a request; raises nothing, neither for what a client sent nor for trouble of ours (RFC 6960 §2.3)."""
        with self._lock:
            try:
                self._look_at_revisions()
                kept = self._kept.get(request)
                if kept is not None and kept.revision == self._revisions.get(kept.issuer) and kept.begin <= now < kept.end:
                    return kept.answer
                return self._new_answer(request, now.replace(microsecond=0))
            except Malformed:
                return _MALFORMED
            except Unavailable:
                return _TRY_LATER
            except Exception:  # noqa: BLE001 (whatever it is, a relying party shall ask again and not take silence for good)
                _log.exception("an OCSP request could not be answered")
                return _TRY_LATER

    def _look_at_revisions(self) -> None:
        begin = time.monotonic()
        if begin - self._read_at > self._fresh_for:
            self._revisions = self._reader.revisions()
            self._read_at = begin

    def _new_answer(self, request: bytes, now: datetime) -> Answer:
        asked = read(request)
        # One delegate signs; RFC 6960 §2.3: without one for any of the certificates we have no authority.
        party = next(filter(None, map(self._party_of, asked.cert_ids)), None)
        if party is None:
            return _UNAUTHORIZED
        statuses = self._statuses(party, asked)
        if asked.nonce is not None:
            return Answer(_write(party, asked, statuses, now))
        ids = tuple(cert_id.der for cert_id in asked.cert_ids)
        kept = self._kept_by_ids.get(ids)
        revision = self._revisions[party.name]
        if kept is not None and kept.statuses == statuses and kept.begin <= now < kept.end:
            kept.revision = revision
        else:
            answer = Answer(_write(party, asked, statuses, now), now, now + ANSWER_LIFETIME)
            kept = _Kept(answer, party.name, revision, statuses, now, now + _KEPT_FOR)
        # What was never issued, or only promised, may become good while the revision stands still.
        if all(status is not None and status.is_settled for status in statuses):
            _put(self._kept_by_ids, ids, kept, self._keep)
            _put(self._kept, request, kept, self._keep)
        return kept.answer

    def _party_of(self, cert_id: CertId) -> _Party | None:
        return self._parties.get((cert_id.algorithm, cert_id.name_hash, cert_id.key_hash))

    def _statuses(self, party: _Party, asked: Asked) -> tuple[Status | None, ...]:
        """Return what is true at the revisions that were read, in the order asked; None is what we never issued."""
        revision = self._revisions[party.name]
        serials = [
            serial_text(one.serial) if self._party_of(one) is party and 0 < one.serial < _SERIAL_END else None
            for one in asked.cert_ids
        ]
        missing = [serial for serial in serials if serial is not None and party.known.get(serial, _NOTHING)[0] != revision]
        found = self._reader.statuses(party.name, missing)
        for serial, status in found.items():
            if status.is_settled:
                _put(party.known, serial, (revision, status), self._keep)
        return tuple(
            None if serial is None else found[serial] if serial in found else _known(party, serial, revision)
            for serial in serials
        )


_SERIAL_END = 1 << 8 * LONGEST_SERIAL
_NOTHING: tuple[int, Status | None] = (-1, None)


def _known(party: _Party, serial: str, revision: int) -> Status | None:
    seen_at, status = party.known.get(serial, _NOTHING)
    return status if seen_at == revision else None


def _write(party: _Party, asked: Asked, statuses: Sequence[Status | None], now: datetime) -> bytes:
    valid = valid_der(now, now + ANSWER_LIFETIME)
    singles = [
        party.writer.single(cert_id.der, status, valid=valid) for cert_id, status in zip(asked.cert_ids, statuses, strict=True)
    ]
    return party.writer.response(singles, asked.nonce, time_der(now))


def _put(kept: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Keep something; the oldest tenth goes when there is no room."""
    if len(kept) >= most and key not in kept:
        for old in list(islice(kept, max(1, most // 10))):
            del kept[old]
    kept[key] = value


@dataclass(frozen=True)
class Delegation:
    """Which certificate lets us answer for an issuer, and the name of its key."""

    issuer: Issuer
    key_name: str
    certificate: x509.Certificate = field(repr=False)


def delegations(session: Session, now: datetime) -> list[Delegation]:
    """Return the newest delegation of each issuer that is in force, by the issuer's name.

    A responder's key has the name that its certificate is recorded under.
    """
    by_name = {issuer.name: issuer for issuer in issuers.load_all(session)}
    query = select(CertificateRow.issuer, CertificateRow.subject, CertificateRow.der).where(
        CertificateRow.kind != "terminal", CertificateRow.state == CertificateState.VALID, CertificateRow.der.is_not(None)
    )
    newest: dict[str, Delegation] = {}
    for issuer, subject, der in session.execute(query.order_by(CertificateRow.id)):
        certificate = x509.load_der_x509_certificate(der or b"")
        in_force = certificate.not_valid_before_utc <= now.astimezone(UTC) < certificate.not_valid_after_utc
        if issuer in by_name and in_force and _is_responder(certificate):
            newest[issuer] = Delegation(by_name[issuer], subject, certificate)
    return [newest[name] for name in sorted(newest)]


def _is_responder(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage
