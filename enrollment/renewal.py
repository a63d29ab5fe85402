"""Renewal: the current certificate and a request with a new key in, the next certificate out. Every interface ends here.

It goes the way of `enrollment.issuance`, entitled by the current certificate. The new one is current from its issue, or,
with `awaits_confirmation`, from its confirmation; until then the old one stays what it was. Afterwards the old one serves
only to fetch the same answer again, for the same new key, until the new one logs on, or for `FETCHED_WITHIN`.

What a crash leaves behind is what a redemption's does: nothing, then a claim of this key, then the certificate. A
revocation, suspension or accepted reissue that lands between T1 and T2 wins.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from ca import certificates, requests
from ca.authority import Authorities, Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.profiles import Subject
from ca.requests import RequestedKey
from ca.revocation import Reason
from enrollment import credentials, identity, letters, reissue_records, successions
from enrollment.deeds import Deed
from enrollment.identity import Identity
from enrollment.interfaces import Interface
from enrollment.issuance import RESERVATION_LIFETIME, Issuance, Retrieved, require_good, subject_of
from enrollment.renewal_window import DAYS, window_of
from enrollment.successions import RenewalEvent, RenewalState
from enrollment.tables import RenewalRow
from kernel import audit
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals
from registry.letters import Letters
from registry.states import TerminalState

# Domain rules, "Renewal": the old certificate is revoked at the new one's first logon, or after 7 days.
FETCHED_WITHIN = timedelta(days=7)
# A certificate that nobody confirmed for so long was not received.
CONFIRMED_WITHIN = timedelta(days=1)
# A terminal that lost its new key may come with another one when what it began is not finished after so long.
RESTART_AFTER = timedelta(minutes=10)
_JOB = audit.job("renewal")


@dataclass(frozen=True)
class Renewal:
    """Renews certificates. `window_days` is the number of days before the last one from which this is possible."""

    database: Database
    clock: Clock
    authority: Authorities
    window_days: int = DAYS
    letters: Letters = letters.PLAIN

    def renew(
        self,
        certificate: bytes,
        request: bytes | RequestedKey,
        interface: Interface = Interface.REST,
        *,
        awaits_confirmation: bool = False,
    ) -> Retrieved:
        """Renew for the public key of a request (PKCS#10 in PEM or DER, or read already), which must be a new one.

        `certificate` (DER) is the one by which the terminal has proven to be itself: in TLS, or by a signature that was
        verified; `interface` is what it came by. With `awaits_confirmation` the new one becomes current when
        `Confirmations.confirm` is called.

        Raises Refused: "certificate-unreadable", "certificate-foreign" (none of ours), "terminal-suspended",
        "terminal-abolished", "certificate-revoked", "certificate-held", "certificate-not-current"; "renewal-spent"
        (another key renewed it), "reissue-pending", "renewal-too-early" and "renewal-too-late" (first_day, last_day),
        "renewal-pointless" (the new one would end on the same day); "csr-…" and "key-…" for the request; and Unavailable,
        after which the same call may be made again.
        """
        now = self.clock.now()
        entitlement = _Possession(certificate, self.window_days, self.letters, interface, awaits_confirmation=awaits_confirmation)
        with self.database.snapshot() as session:
            identity.identify(session, certificate)
        key = requests.read(request)
        way: Issuance[_Possession] = Issuance(self.database, self.clock, self.authority, self.letters)
        return way.issue(entitlement, key, now)


@dataclass(frozen=True)
class _Possession:
    """A certificate whose private key somebody has proven to hold."""

    der: bytes
    window_days: int
    letters: Letters
    interface: Interface
    awaits_confirmation: bool

    def given(self, session: Session, spki_sha256: bytes, now: datetime, *, lock: bool = False) -> CertificateRecord | None:
        """Return the certificate by which this key renewed the presented one; raise the refusal that fits."""
        who = identity.identify(session, self.der, lock=lock)
        who.require_terminal()
        require_good(who.certificate, who.terminal.name)
        row = successions.open_one(session, who.terminal.name)
        if row is not None and _follows(row, who):
            promised = certificates.find(session, row.issuer, row.serial)
            if row.spki_sha256 == spki_sha256 and not _was_given_up(promised):
                require_good(promised, who.terminal.name)
                return promised
            began_lately = now - row.begun_at < RESTART_AFTER and not _was_given_up(promised)
            if row.state == RenewalState.ISSUED or began_lately:
                raise Refused("renewal-spent", terminal=who.terminal.name)
        if not who.is_current:
            raise Refused("certificate-not-current", terminal=who.terminal.name)
        return None

    def require_open(self, session: Session, now: datetime) -> None:
        """Raise the refusal of a reissue that was accepted, and those of the window."""
        who = identity.identify(session, self.der)
        if reissue_records.is_accepted(session, who.terminal.name):
            raise Refused("reissue-pending", terminal=who.terminal.name)
        window_of(who.certificate.not_after, self.window_days).require_open(now)

    def terms(self, session: Session) -> tuple[Subject, date]:
        """Return the terminal and its start date."""
        terminal = identity.identify(session, self.der).terminal
        return subject_of(session, terminal.name, terminal.office_code), terminal.start_date

    def promise(self, session: Session, authority: Authority, draft: Draft, now: datetime) -> CertificateRecord:
        """Begin the renewal by the draft's key; one that was begun before and came to nothing is given up."""
        who = identity.identify(session, self.der)
        if draft.not_after <= who.certificate.not_after:
            raise Refused("renewal-pointless", terminal=who.terminal.name, last_day=_last_day(who, self.window_days))
        actor = audit.terminal(who.terminal.name)
        successions.end(session, who.terminal.name, now, actor=actor, reason=Reason.SUPERSEDED, cause="stale")
        reserved = Deed(session, actor, now, who.terminal.name, who.terminal.office_code).reserve(authority, draft)
        session.add(
            RenewalRow(
                id=secrets.token_hex(16),
                terminal=who.terminal.name,
                office_code=who.terminal.office_code,
                state=RenewalState.CLAIMED,
                predecessor_issuer=who.certificate.issuer,
                predecessor=who.certificate.serial,
                spki_sha256=draft.spki_sha256,
                interface=self.interface.value,
                awaits_confirmation=self.awaits_confirmation,
                issuer=draft.issuer,
                serial=draft.serial,
                begun_at=now,
            )
        )
        session.flush()
        return reserved

    def fulfil(self, session: Session, reserved: CertificateRecord, signed: bytes, now: datetime) -> bool:
        """Store the certificate, unless the old one, the terminal or the renewal was stopped meanwhile."""
        who = identity.identify(session, self.der, lock=True)
        row = successions.open_one(session, who.terminal.name)
        if row is None or (row.state, row.serial) != (RenewalState.CLAIMED, reserved.serial):
            return False
        is_good = who.is_current and who.certificate.state == CertificateState.VALID
        if not is_good or who.terminal.state not in (TerminalState.PENDING, TerminalState.IN_SERVICE):
            return False
        deed = Deed(session, audit.terminal(row.terminal), now, row.terminal, row.office_code)
        if not deed.issue(reserved, signed):
            return False
        row.issued_at = now
        if row.awaits_confirmation:
            successions.step(session, row, RenewalEvent.OFFER)
        else:
            successions.step(session, row, RenewalEvent.ISSUE)
            credentials.pass_on(session, row, reserved, now, self.letters)
        return True


def settle_due(database: Database, now: datetime) -> int:
    """Revoke old certificates that nobody needs any more, by their age; return how many. A job, repeatable, catches up."""
    overdue = (RenewalRow.state == RenewalState.ISSUED, RenewalRow.current_at < now - FETCHED_WITHIN)
    return _each(database, overdue, lambda session, row: successions.settle(session, row, now, actor=_JOB))


def lapse_due(database: Database, now: datetime) -> int:
    """End renewals that nobody finished: unconfirmed for a day, or promised and not signed. A job, repeatable, catches up."""

    def end(session: Session, row: RenewalRow) -> None:
        successions.give_up(session, row, now, actor=_JOB, reason=Reason.CESSATION_OF_OPERATION, cause="lapsed")

    unconfirmed = (RenewalRow.state == RenewalState.AWAITING, RenewalRow.issued_at < now - CONFIRMED_WITHIN)
    unsigned = (RenewalRow.state == RenewalState.CLAIMED, RenewalRow.begun_at < now - RESERVATION_LIFETIME)
    return _each(database, unconfirmed, end) + _each(database, unsigned, end)


def _each(database: Database, due: Sequence[ColumnElement[bool]], deed: Callable[[Session, RenewalRow], None]) -> int:
    """Do a deed on each renewal that is due, in a transaction of its own, under its terminal's lock."""
    with database.snapshot() as session:
        found = [(row.id, row.terminal) for row in session.scalars(select(RenewalRow).where(*due).order_by(RenewalRow.begun_at))]
    done = 0
    for renewal_id, terminal in found:
        with database.transaction() as session:
            terminals.get(session, terminal, lock=True)
            row = session.scalar(select(RenewalRow).where(RenewalRow.id == renewal_id, *due))
            if row is not None:
                deed(session, row)
                done += 1
    return done


def _follows(row: RenewalRow, who: Identity) -> bool:
    return (row.predecessor_issuer, row.predecessor) == who.name


def _was_given_up(promised: CertificateRecord | None) -> bool:
    """Return whether a promise was taken back by something that knows no renewals, as the blocking of its key."""
    return promised is None or promised.state == CertificateState.ABANDONED


def _last_day(who: Identity, window_days: int) -> str:
    return window_of(who.certificate.not_after, window_days).last_day.isoformat()
