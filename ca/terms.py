"""An issuer's terms, as its ceremony set them: from when it issues to terminals, and how its revocation lists are scheduled.

Several issuing CAs stand side by side; the one whose instant came last issues, the others go on telling status.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Integer, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from ca import issuers
from ca.certificates import CertificateState
from ca.issuers import Issuer
from ca.tables import IS_OURS, CertificateRow
from kernel.clock import day_end, tokyo_date
from kernel.database import Base, UtcDateTime, insert_if_absent


class IssuerTermsRow(Base):
    """The terms of one issuer. `issues_from` is empty for one that gives terminals nothing; the rest are seconds."""

    __tablename__ = "ca_issuer_terms"

    issuer: Mapped[str] = mapped_column(String(40), primary_key=True)
    issues_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    crl_period: Mapped[int] = mapped_column(Integer)
    crl_lifetime: Mapped[int] = mapped_column(Integer)


@dataclass(frozen=True)
class Terms:
    """From when an issuer issues (None: never, it is a root), how often its list comes, how long a list is good."""

    issues_from: datetime | None
    crl_period: timedelta
    crl_lifetime: timedelta


@dataclass(frozen=True)
class Term:
    """An issuer that issues from an instant on, unless its own certificate was revoked."""

    begin: datetime
    issuer: Issuer
    is_revoked: bool = False


def load(session: Session, name: str) -> Terms | None:
    """Return the terms of an issuer."""
    row = session.get(IssuerTermsRow, name)
    return _as_terms(row) if row else None


def all_of(session: Session) -> tuple[tuple[str, datetime | None, int, int], ...]:
    """Return all terms, comparable."""
    rows = session.scalars(select(IssuerTermsRow).order_by(IssuerTermsRow.issuer))
    return tuple((row.issuer, row.issues_from, row.crl_period, row.crl_lifetime) for row in rows)


def put(session: Session, name: str, terms: Terms) -> None:
    """Set the terms of an issuer."""
    seconds = {"crl_period": int(terms.crl_period.total_seconds()), "crl_lifetime": int(terms.crl_lifetime.total_seconds())}
    values = {"issues_from": terms.issues_from, **seconds}
    if not insert_if_absent(session, IssuerTermsRow, {"issuer": name, **values}):
        session.execute(update(IssuerTermsRow).where(IssuerTermsRow.issuer == name).values(**values))


def succession(session: Session) -> list[Term]:
    """Return the issuing CAs in the order in which their turns begin."""
    query = select(IssuerTermsRow).where(IssuerTermsRow.issues_from.is_not(None))
    rows = session.scalars(query.order_by(IssuerTermsRow.issues_from, IssuerTermsRow.issuer)).all()
    found = ((row.issues_from, issuers.load(session, row.issuer)) for row in rows)
    ended = select(CertificateRow.subject).where(IS_OURS, CertificateRow.state == CertificateState.REVOKED)
    revoked = set(session.scalars(ended))
    return [Term(begin, issuer, issuer.name in revoked) for begin, issuer in found if begin is not None and issuer is not None]


def whose_turn(order: list[Term], now: datetime) -> Issuer | None:
    """Return the one of a succession that issues now: the last that has begun, has not ended and was not revoked."""
    living = [term for term in order if not term.is_revoked and now < term.issuer.certificate.not_valid_after_utc]
    begun = [term.issuer for term in living if term.begin <= now]
    return begun[-1] if begun else None


def last_day(issuer: Issuer) -> date:
    """Return the last day in Tokyo that lies within an issuer's certificate to its end.

    What an issuer signs ends with that day at the latest: afterwards no path would lead to it (RFC 5280 §6.1.3 (a)(2)).
    """
    end = issuer.certificate.not_valid_after_utc
    day = tokyo_date(end)
    return day if day_end(day) <= end else day - timedelta(days=1)


def telling_status(session: Session, now: datetime) -> list[tuple[Issuer, Terms]]:
    """Return the issuing CAs whose lists are still to be published.

    One goes on until two periods after its last certificate has ended, and at least as long as it may issue.
    """
    order = succession(session)
    turn = whose_turn(order, now)
    telling = []
    for term in order:
        agreed = load(session, term.issuer.name)
        # RFC 5280 §6.3: what an authority signs after its end, nobody can verify.
        if agreed is None or term.issuer.certificate.not_valid_after_utc <= now:
            continue
        is_over = turn is not None and term.begin <= now and turn.name != term.issuer.name
        if not is_over or _last_end(session, term.issuer.name) + 2 * agreed.crl_period > now:
            telling.append((term.issuer, agreed))
    return telling


def _last_end(session: Session, issuer: str) -> datetime:
    """Return when an issuer's last certificate ends."""
    last = session.scalar(select(func.max(CertificateRow.not_after)).where(CertificateRow.issuer == issuer))
    return last or datetime.min.replace(tzinfo=UTC)


def _as_terms(row: IssuerTermsRow) -> Terms:
    return Terms(row.issues_from, timedelta(seconds=row.crl_period), timedelta(seconds=row.crl_lifetime))
