"""The certificates of our own services, renewed in time: on the same key, with the same content, for as long as ever.

A new key is the ceremony's (`key` in its file), because it is people who may make keys.

A certificate is renewed when a sixth of its time is left. What answers for an issuer is renewed under that issuer; everything
else under the one whose turn it is. Only issuing CAs sign here, so no root's key is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from ca import issuers, profile_history, revocation, terms
from ca.ceremony import Promise, followed, issue
from ca.certificates import CertificateState, find_row
from ca.issuers import Issuer, SigningIssuer
from ca.own_lint import OwnLintError
from ca.own_profiles import OwnProfile
from ca.profiles import BACKDATING, Addresses, Validity, new_serial
from ca.revocation import Reason
from ca.signing import assemble, certify, to_be_signed
from ca.tables import IS_OURS, CertificateRow
from kernel import audit
from kernel.database import Database
from kernel.errors import Refused

# The part of its time that a certificate has left when it is renewed, and when it should have been long ago.
_LEFT, _OVERDUE_LEFT = 6, 12
# How long a service's first certificate may be only promised before somebody is told: the renewals finish it within the hour.
_IN_THE_MAKING = timedelta(hours=2)
# What is wrong with one service; Unavailable, a custody's, is wrong with all of them.
_OF_ONE = (OwnLintError, Refused, LookupError, ValueError, InvalidSignature)


@dataclass(frozen=True)
class _Due:
    """A service whose certificate is to be followed by one of `issuer`, or that has a promise of that kept to it.

    `follows` is what that one follows (`ca.ceremony.followed`). `profile` is what the certificate that it has was made by, None
    where nobody knows.
    """

    follows: int | None
    subject: str
    certificate: x509.Certificate
    issuer: Issuer
    validity: Validity
    key_name: str | None
    profile: OwnProfile | None


@dataclass(frozen=True)
class Renewals:
    """Renews the certificates of services; `signer_of` opens an issuing CA's key."""

    database: Database
    addresses: Addresses
    signer_of: Callable[[Issuer], SigningIssuer]

    def renew_due(self, now: datetime) -> int:
        """Renew what is due and return how many there were. A job: what is wrong with one service stops no other one.

        Raises the first trouble after the others had their turn: OwnLintError, which is on record, for what would not be as
        it must be; Refused("key-blocked"); and what `issue` raises beside. Unavailable at once while an issuing CA's key is
        away.
        """
        with self.database.transaction() as session:
            _give_up(session, now)
        with self.database.snapshot() as session:
            due = list(_due(session, now))
        troubles: list[Exception] = []
        for one in due:
            try:
                self._renew(one, now)
            except _OF_ONE as trouble:  # raised below, after the others had their turn
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return len(due)

    def _renew(self, due: _Due, now: datetime) -> None:
        if due.profile is None:
            raise LookupError(f"nobody knows by which profile the certificate of {due.subject} was made")
        promise = Promise(
            replace(due.profile, addresses=self.addresses),
            due.issuer.name,
            compose=partial(self._compose, due),
            sign=partial(certify, issuer=self.signer_of(due.issuer)),
            follows=due.follows,
            key_name=due.key_name,
            actor=audit.job("renewal"),
        )
        issue(self.database, promise, now)

    def _compose(self, due: _Due) -> bytes:
        old, issuer = due.certificate, due.issuer
        builder = x509.CertificateBuilder(
            issuer_name=issuer.certificate.subject,
            subject_name=old.subject,
            public_key=old.public_key(),
            serial_number=new_serial(),
            not_valid_before=due.validity.not_before,
            not_valid_after=due.validity.not_after,
        )
        for extension in old.extensions:
            builder = builder.add_extension(self._of_issuer(extension.value, issuer), critical=extension.critical)
        return to_be_signed(builder, issuer.public_key)

    def _of_issuer(self, value: x509.ExtensionType, issuer: Issuer) -> x509.ExtensionType:
        """Return an extension as this issuer says it: who signed, and where its status is told now."""
        if isinstance(value, x509.AuthorityKeyIdentifier):
            return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier)
        if isinstance(value, x509.CRLDistributionPoints):
            address = x509.UniformResourceIdentifier(self.addresses.crl(issuer.name))
            return x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)])
        if isinstance(value, x509.AuthorityInformationAccess):
            places = {
                AuthorityInformationAccessOID.OCSP: self.addresses.ocsp(),
                AuthorityInformationAccessOID.CA_ISSUERS: self.addresses.certificate(issuer.name),
            }
            return x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(one.access_method, x509.UniformResourceIdentifier(places[one.access_method]))
                    for one in value
                ]
            )
        return value


@dataclass(frozen=True)
class _Known:
    """A service's last word, signed, promised, revoked or given up, and what stands of it: its newest good certificate."""

    newest: CertificateRow
    standing: CertificateRow | None

    @property
    def certificate(self) -> x509.Certificate:
        """What the service's next one is to say."""
        return _read(self.standing or self.newest)

    def is_near_end(self, now: datetime, left: int) -> bool:
        """Return whether less than the `left`-th part of its time is left to what stands."""
        row = self.standing
        return row is not None and now >= row.not_after - (row.not_after - row.not_before) / left

    def is_missed(self, now: datetime) -> bool:
        """Return whether nothing stands, unless its end was meant, or its first one is only being made."""
        row = self.newest
        if self.standing is not None or (row.state, row.reason) == (CertificateState.REVOKED, Reason.CESSATION_OF_OPERATION):
            return False
        return row.state != CertificateState.RESERVED or now >= row.reserved_at + _IN_THE_MAKING


def overdue(session: Session, now: datetime) -> list[tuple[str, datetime | None]]:
    """Return the services whose certificates should have been followed long ago, and when those end; None: there is no good one.

    One that was revoked for cessationOfOperation, with no other beside it, is not missed.
    """
    return [
        (known.newest.subject, known.standing.not_after if known.standing else None)
        for known, issuer in _services(session, now)
        if known.is_missed(now) or known.is_near_end(now, _OVERDUE_LEFT)
        if _is_wanted(session, known, issuer, now)
    ]


def _is_wanted(session: Session, known: _Known, issuer: Issuer | None, now: datetime) -> bool:
    """Return whether a service must go on: what answers for an authority need not when nothing of that is left to answer for."""
    if not _answers_status(known.certificate):
        return True
    if issuer is None or known.standing is None:
        return issuer is not None
    return _next_validity(session, known, issuer, now).not_after > known.standing.not_after


def _services(session: Session, now: datetime) -> Iterator[tuple[_Known, Issuer | None]]:
    """Find our services, and which issuer makes the next certificate of each."""
    turn = terms.whose_turn(terms.succession(session), now)
    telling = {issuer.name: issuer for issuer, _ in terms.telling_status(session, now)}
    authorities = {issuer.name for issuer in issuers.load_all(session)}
    good = func.max(case((CertificateRow.state == CertificateState.VALID, CertificateRow.id)))
    ids = select(func.max(CertificateRow.id), good).where(IS_OURS).group_by(CertificateRow.subject)
    for newest_id, standing_id in sorted(map(tuple, session.execute(ids))):
        newest = session.get_one(CertificateRow, newest_id)
        if newest.subject in authorities or newest.issuer not in authorities:
            continue
        known = _Known(newest, session.get_one(CertificateRow, standing_id) if standing_id is not None else None)
        if not _is_authority(known.certificate):
            yield known, telling.get((known.standing or newest).issuer) if _answers_status(known.certificate) else turn


def _give_up(session: Session, now: datetime) -> None:
    """Give up what was promised by an authority that is over, or was revoked: it founds nothing more, and another one will.

    What answers for a revoked one is still signed.
    """
    order = terms.succession(session)
    telling = {issuer.name for issuer, _ in terms.telling_status(session, now)}
    over = {term.issuer.name for term in order if term.issuer.name not in telling}
    revoked = {term.issuer.name for term in order if term.is_revoked}
    for known, _ in _services(session, now):
        row = known.newest
        if row.state != CertificateState.RESERVED or not (row.issuer in over or _is_void(row, revoked)):
            continue
        find_row(session, row.issuer, row.serial, lock=True)
        if row.state == CertificateState.RESERVED:  # still: another node may have signed it
            revocation.abandon(session, row.issuer, row.serial, now=now)
            subject, actor = f"service:{row.subject}", audit.job("renewal")
            facts = {"issuer": row.issuer, "serial": row.serial, "cause": "issuer-over"}
            audit.record(session, now=now, actor=actor, action="certificate.abandon", subject=subject, **facts)


def _is_void(row: CertificateRow, revoked: set[str]) -> bool:
    return row.issuer in revoked and not _answers_status(_read(row))


def _read(row: CertificateRow) -> x509.Certificate:
    """Read a certificate that may not be signed yet."""
    return x509.load_der_x509_certificate(row.der or assemble(row.tbs, b"\x30\x00"))


def _due(session: Session, now: datetime) -> Iterator[_Due]:
    """Find what is to be renewed, and the promises that were cut off before they were signed."""
    telling = {issuer.name: issuer for issuer, _ in terms.telling_status(session, now)}
    for known, issuer in _services(session, now):
        newest, standing = known.newest, known.standing
        if newest.state == CertificateState.RESERVED and newest.issuer in telling:
            promised = Validity(newest.not_before, newest.not_after)
            yield _of(session, newest, known, telling[newest.issuer], promised)
        elif (
            newest.state != CertificateState.RESERVED
            and standing is not None
            and issuer is not None
            and known.is_near_end(now, _LEFT)
        ):
            validity = _next_validity(session, known, issuer, now)
            if validity.not_after > standing.not_after:
                yield _of(session, standing, known, issuer, validity)


def _of(session: Session, row: CertificateRow, known: _Known, issuer: Issuer, validity: Validity) -> _Due:
    profile = profile_history.own(session, row.profile)
    return _Due(followed(known.newest), row.subject, known.certificate, issuer, validity, row.key_name, profile)


def _next_validity(session: Session, known: _Known, issuer: Issuer, now: datetime) -> Validity:
    row = known.standing or known.newest
    turn = terms.whose_turn(terms.succession(session), now)
    profile = profile_history.own(session, row.profile)
    wished = profile.lifetime if profile is not None else row.not_after - row.not_before
    is_turn = turn is not None and issuer.name == turn.name
    return _validity(session, row, issuer, now, wished=wished, is_turn=is_turn)


def _validity(
    session: Session, row: CertificateRow, issuer: Issuer, now: datetime, *, wished: timedelta, is_turn: bool
) -> Validity:  # fmt: skip
    """Return as much of the time that is wished as the issuer has, and no more than a predecessor's other certificates need."""
    begin = (now - BACKDATING).replace(microsecond=0)
    end = min(begin + wished, issuer.certificate.not_valid_after_utc)
    if not is_turn:
        others = (
            select(CertificateRow.not_after)
            .where(CertificateRow.issuer == issuer.name, CertificateRow.subject != row.subject)
            .order_by(CertificateRow.not_after.desc())
            .limit(1)
        )
        agreed, last = terms.load(session, issuer.name), session.scalar(others)
        if agreed is not None and agreed.issues_from is not None and agreed.issues_from <= now:
            end = min(end, (last or row.not_after) + 2 * agreed.crl_period)
    return Validity(begin, end)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _answers_status(certificate: x509.Certificate) -> bool:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage
