"""Redemption: codes and a certification request in, one certificate out. Every interface ends here.

    throttle, codes          snapshot: nothing is written for those who know the codes
    request, key, lint       no transaction
    T1                       all rechecked under lock; set claimed by this key, certificate reserved with its TBS
    sign                     no transaction: exactly the stored bytes
    T2                       conditional: stored, redeemed, predecessor revoked
    answer                   read from the row, whoever wrote it

What a crash leaves behind: before T1 ends, nothing. Between T1 and T2 a claimed set: the same key comes again and the
same TBS is signed, another key is refused. After T2 the same key gets the same certificate. A freeze, replacement,
suspension or revocation that lands between T1 and T2 wins, because T2 looks before it stores.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ca import certificates, issuers, lint_record, requests
from ca.authority import Authorities, Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.issuers import Issuer
from ca.profiles import Subject
from enrollment import code_sets, credentials, guessing, letters
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.codes import Codes
from enrollment.deeds import Deed
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.clock import Clock, day_start, tokyo_date
from kernel.database import Database, OutcomeUnknown
from kernel.errors import Refused, Unavailable
from keys.codes import CodeHasher
from registry import news, offices, terminals
from registry.news import NewsKind
from registry.states import TerminalEvent, TerminalState

# An older reservation is made anew: its dates, which are fixed in the TBS, would no longer be the policy's.
RESERVATION_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class Retrieved:
    """A certificate that a terminal may have now, and the CA certificates above it, issuing CA first, without the root.

    `is_new` unless this very key had been given it before.
    """

    terminal: str
    certificate: CertificateRecord
    chain: tuple[Issuer, ...]
    is_new: bool


@dataclass(frozen=True)
class Redemption:
    """Redeems code sets."""

    database: Database
    clock: Clock
    authority: Authorities
    hasher: CodeHasher

    def redeem(self, codes: Codes, request: bytes, source: str) -> Retrieved:
        """Redeem codes for the public key of a request (PKCS#10, PEM or DER); `source` is the caller's address.

        Raises Refused: "codes-wrong" (one answer for all that may be wrong), "throttled"; once the codes are right
        "codes-frozen", "codes-expired", "codes-replaced", "codes-spent" (another key has them), "terminal-suspended",
        "terminal-abolished", "certificate-held", "certificate-revoked"; "csr-…" and "key-…" for the request; and
        Unavailable, after which the same call may be made again.
        """
        now = self.clock.now()
        code_set_id = guessing.authenticate(self.database, self.hasher, codes, source, now)
        key = requests.read(request)
        reserved = self._claim(code_set_id, codes, key, now)
        is_new = False
        if reserved.state == CertificateState.RESERVED:
            signed = self.authority.of(reserved.issuer).sign(reserved)
            is_new = self._store(code_set_id, reserved, signed, self.clock.now())
        return self._answer(code_set_id, key.spki_sha256, is_new=is_new)

    def _claim(self, code_set_id: str, codes: Codes, key: requests.RequestedKey, now: datetime) -> CertificateRecord:
        """Return the certificate that is reserved for this key, reserving it where it is not; or the one it has."""
        authority = self.authority.at(now)
        with self.database.snapshot() as session:
            row = session.get_one(CodeSetRow, code_set_id)
            _require_usable(session, row, key.spki_sha256, now)
            present = _certificate(session, row)
            if present is not None and not _is_stale(present, authority, now):
                return present
            if certificates.key_was_used(session, key.spki_sha256) and present is None:
                raise Refused("key-used")
            subject, start_date, partition = _subject(session, row), row.start_date, authority.partition(session)
        with lint_record.kept(self.database, subject.terminal, now):
            draft = authority.draft(key, subject, start_date, now, partition=partition)
        with self.database.transaction() as session:  # T1
            row = code_sets.locked(session, code_set_id)
            guessing.require_unlocked(session, self.hasher, codes, now)
            _require_usable(session, row, key.spki_sha256, now)
            present = _certificate(session, row)
            if present is not None:
                if not _is_stale(present, authority, now):
                    return present  # a second try with the same key was here first
                _deed(session, row, now).abandon(present.issuer, present.serial, cause="stale")
                session.flush()
            return _reserve(session, row, authority, draft, now)

    def _store(self, code_set_id: str, reserved: CertificateRecord, signed: bytes, now: datetime) -> bool:
        """T2. Return whether this call stored it; whoever lost reads the winner's row."""
        try:
            with self.database.transaction() as session:
                row = code_sets.locked(session, code_set_id)
                if row.state != CodeSetState.CLAIMED or row.serial != reserved.serial:
                    return False
                terminal = terminals.get(session, row.terminal, lock=True)
                if terminal is None or terminal.state not in (TerminalState.PENDING, TerminalState.IN_SERVICE):
                    return False
                if not _deed(session, row, now).issue(reserved, signed):
                    return False
                row.state = code_sets.LIFECYCLE.step(CodeSetState.CLAIMED, CodeSetEvent.REDEEM)
                row.redeemed_at = now
                credentials.succeed(session, row, now)
                if terminal.state == TerminalState.PENDING:
                    terminals.step(session, row.terminal, TerminalEvent.ACTIVATE, now)
                _tell(session, row, reserved, now)
        except OutcomeUnknown:
            # The row knows; assume nothing.
            return False
        return True

    def _answer(self, code_set_id: str, spki_sha256: bytes, *, is_new: bool) -> Retrieved:
        """Answer from what is stored, by the same rules for the winner, the loser and the one who comes again."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            row = session.get_one(CodeSetRow, code_set_id)
            _require_usable(session, row, spki_sha256, now)
            certificate = _certificate(session, row)
            chain = issuers.chain(session, certificate.issuer) if certificate else ()
        if certificate is None or certificate.der is None:
            # Frozen and thawed, or reserved anew, while we signed: what we signed is void, nothing is lost.
            raise Unavailable("codes changed meanwhile", retry_after=1)
        return Retrieved(row.terminal, certificate, chain, is_new)


def _reserve(session: Session, row: CodeSetRow, authority: Authority, draft: Draft, now: datetime) -> CertificateRecord:
    reserved = _deed(session, row, now).reserve(authority, draft)
    if row.state == CodeSetState.PREPARED:
        row.state = code_sets.LIFECYCLE.step(CodeSetState.PREPARED, CodeSetEvent.CLAIM)
    row.claimed_key, row.claimed_at = draft.spki_sha256, now
    row.issuer, row.serial = draft.issuer, draft.serial
    return reserved


def _require_usable(session: Session, row: CodeSetRow, spki_sha256: bytes, now: datetime) -> None:
    """Raise the refusal that fits the state of a set whose codes are right."""
    # The terminal first: its suspension froze the codes and its abolition replaced them, and that is what helps to know.
    terminal = terminals.get(session, row.terminal)
    if terminal is None or terminal.state == TerminalState.ABOLISHED:
        raise Refused("terminal-abolished", terminal=row.terminal)
    if terminal.state == TerminalState.SUSPENDED:
        raise Refused("terminal-suspended", terminal=row.terminal)
    state = CodeSetState(row.state)
    if state in (CodeSetState.FROZEN, CodeSetState.REPLACED, CodeSetState.EXPIRED):
        raise Refused(f"codes-{state.value}", terminal=row.terminal)
    if state != CodeSetState.REDEEMED and tokyo_date(now) > row.expires_on:
        raise Refused("codes-expired", terminal=row.terminal, last_day=row.expires_on.isoformat())
    if state in (CodeSetState.CLAIMED, CodeSetState.REDEEMED) and row.claimed_key != spki_sha256:
        raise Refused("codes-spent", terminal=row.terminal)
    if state == CodeSetState.REDEEMED:
        _require_good(_certificate(session, row), row.terminal)


def _require_good(certificate: CertificateRecord | None, terminal: str) -> None:
    if certificate is None or certificate.state in (CertificateState.REVOKED, CertificateState.ABANDONED):
        reason = certificate.reason if certificate else None
        raise Refused("certificate-revoked", terminal=terminal, reason=reason)
    if certificate.state == CertificateState.HELD:
        raise Refused("certificate-held", terminal=terminal)


def _certificate(session: Session, row: CodeSetRow) -> CertificateRecord | None:
    if row.issuer is None or row.serial is None:
        return None
    return certificates.find(session, row.issuer, row.serial)


def _is_stale(certificate: CertificateRecord, authority: Authority, now: datetime) -> bool:
    """Return whether a reservation waits for too long, or for an issuer that no longer issues."""
    if certificate.state != CertificateState.RESERVED:
        return False
    return now - certificate.reserved_at > RESERVATION_LIFETIME or certificate.issuer != authority.issuer_name


def _subject(session: Session, row: CodeSetRow) -> Subject:
    office = offices.get(session, row.office_code)
    if office is None:
        message = f"code set {row.id} names an office that is not registered"
        raise LookupError(message)
    return Subject(row.terminal, row.office_code, office.certificate_organization)


def _deed(session: Session, row: CodeSetRow, now: datetime) -> Deed:
    return Deed(session, audit.terminal(row.terminal), now, row.terminal, row.office_code)


def _tell(session: Session, row: CodeSetRow, issued: CertificateRecord, now: datetime) -> None:
    """Tell the office of an issuance, in its transaction."""
    news.publish(
        session,
        now=now,
        office_code=row.office_code,
        kind=NewsKind.CERTIFICATE,
        code="certificate-retrieved",
        target=f"id_notice:{row.receipt_number}" if row.receipt_number else None,
        terminal=row.terminal,
    )
    starts = max(issued.not_before, day_start(row.start_date))
    letters.post_retrieved(session, row.office_code, row.terminal, starts, issued.not_after, now)
