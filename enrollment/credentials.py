"""Which certificate is THE current one of a terminal, and what pages are told about it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from ca import certificate_lists, certificates
from ca.certificates import CertificateRecord, CertificateState
from ca.revocation import Reason
from enrollment import letters, successions
from enrollment.deeds import Deed
from enrollment.letters import Envelope
from enrollment.tables import CodeSetRow, CredentialRow, RenewalRow
from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import among, many, put_all
from registry import news
from registry.letters import Letters
from registry.news import NewsKind


@dataclass(frozen=True)
class CertificateView:
    """The current certificate of a terminal, for pages."""

    terminal: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    state: CertificateState
    revoked_at: datetime | None
    reason: str | None

    def is_usable(self, now: datetime) -> bool:
        """Return whether it has not ended, and nobody revoked or holds it."""
        return self.state is CertificateState.VALID and now <= self.not_after


_NAMED = select(CredentialRow.terminal, CredentialRow.issuer, CredentialRow.serial)
_OF_OFFICE = _NAMED.where(CredentialRow.office_code == bindparam("office_code"))
_OF_TERMINALS = _NAMED.where(among(CredentialRow.terminal))
_ENDING = _OF_OFFICE.where(CredentialRow.last_day <= bindparam("by")).order_by(CredentialRow.last_day, CredentialRow.terminal)


def of_office(session: Session, office_code: str) -> dict[str, CertificateView]:
    """Return the current certificates of an office by terminal name."""
    return _views(session, session.execute(_OF_OFFICE, {"office_code": office_code}).all())


def of_terminals(session: Session, names: Collection[str]) -> dict[str, CertificateView]:
    """Return the current certificates of some terminals by name."""
    return _views(session, session.execute(_OF_TERMINALS, many(names)).all()) if names else {}


def is_usable(session: Session, terminal: str, now: datetime) -> bool:
    """Return whether a terminal has a current certificate that is usable."""
    view = of_terminals(session, [terminal]).get(terminal)
    return view is not None and view.is_usable(now)


def ending(session: Session, office_code: str, *, by: date) -> tuple[CertificateView, ...]:
    """Return an office's current certificates that nobody revoked or holds and that end by a day or have ended, soonest first."""
    views = _views(session, session.execute(_ENDING, {"office_code": office_code, "by": by}).all())
    return tuple(view for view in views.values() if view.state is CertificateState.VALID)


def succeed(session: Session, code_set: CodeSetRow, now: datetime) -> None:
    """Make the redeemed set's certificate the current one and revoke what it follows, if anything, as superseded."""
    if code_set.issuer is None or code_set.serial is None:
        message = f"code set {code_set.id} has no certificate"
        raise ValueError(message)
    last_day = _last_day(session, code_set.issuer, code_set.serial)
    credential = session.get(CredentialRow, code_set.terminal, with_for_update=True)
    if credential is None:
        credential = CredentialRow(terminal=code_set.terminal, office_code=code_set.office_code)
        session.add(credential)
    else:
        actor = audit.terminal(code_set.terminal)
        deed = Deed(session, actor, now, code_set.terminal, code_set.office_code)
        deed.revoke(credential.issuer, credential.serial, Reason.SUPERSEDED)
        successions.end(session, code_set.terminal, now, actor=actor, reason=Reason.SUPERSEDED)
    credential.issuer, credential.serial, credential.last_day = code_set.issuer, code_set.serial, last_day
    credential.access_key_digest, credential.since = code_set.access_key_digest, now
    session.flush()


_CURRENT = (
    select(CredentialRow.terminal, CredentialRow.issuer, CredentialRow.serial)
    .where(among(CredentialRow.terminal))
    .order_by(CredentialRow.terminal)
    .with_for_update()
)


def current_among(session: Session, names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return and hold the current certificates of those of some terminals that have, or had, one: issuer and serial by name.

    Whoever asks holds the terminals.
    """
    return {row.terminal: (row.issuer, row.serial) for row in session.connection().execute(_CURRENT, many(names))}


def succeed_all(session: Session, redeemed: Sequence[tuple[Row[Any], CertificateRecord]], now: datetime) -> None:
    """Make the certificates of redeemed sets the current ones of their terminals, which are held.

    What they follow is the caller's to revoke (`deeds.supersede_all`): last, as that locks what every revocation shares.
    """
    rows = [
        {
            "terminal": code_set.terminal,
            "office_code": code_set.office_code,
            "issuer": issued.issuer,
            "serial": issued.serial,
            "last_day": tokyo_date(issued.not_after),
            "access_key_digest": code_set.access_key_digest,
            "since": now,
        }
        for code_set, issued in redeemed
    ]
    put_all(session, CredentialRow, rows, ("issuer", "serial", "last_day", "access_key_digest", "since"))


def pass_on(session: Session, renewal: RenewalRow, issued: CertificateRecord, now: datetime, words: Letters) -> None:
    """Make a renewal's certificate the current one and tell the office; the access key stays as it was."""
    renewal.current_at = now
    point_to(session, renewal.terminal, renewal.issuer, renewal.serial, now)
    news.publish(
        session,
        now=now,
        office_code=renewal.office_code,
        kind=NewsKind.CERTIFICATE,
        code="certificate-renewed",
        terminal=renewal.terminal,
    )
    letters.post_renewed(Envelope(session, words, renewal.office_code, now), renewal.terminal, issued.not_after)


def point_to(session: Session, terminal: str, issuer: str, serial: str, now: datetime) -> None:
    """Make a certificate the current one of a terminal that had another; whoever does so holds the terminal."""
    credential = session.get_one(CredentialRow, terminal, with_for_update=True, populate_existing=True)
    credential.last_day = _last_day(session, issuer, serial)
    credential.issuer, credential.serial, credential.since = issuer, serial, now
    session.flush()


def _last_day(session: Session, issuer: str, serial: str) -> date:
    certificate = certificates.find(session, issuer, serial)
    if certificate is None:
        raise LookupError(serial)
    return tokyo_date(certificate.not_after)


def _views(session: Session, rows: Collection[Row[str, str, str]]) -> dict[str, CertificateView]:
    outlines = certificate_lists.outlines(session, {(issuer, serial) for _, issuer, serial in rows})
    views = {}
    for terminal, issuer, serial in rows:
        outline = outlines[issuer, serial]
        views[terminal] = CertificateView(
            terminal=terminal,
            issuer=issuer,
            serial=serial,
            not_before=outline.not_before,
            not_after=outline.not_after,
            state=outline.state,
            revoked_at=outline.revoked_at,
            reason=outline.reason,
        )
    return views
