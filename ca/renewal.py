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
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import issuers, profile_history, terms
from ca.ceremony import Promise, issue
from ca.certificates import CertificateState
from ca.issuers import Issuer, SigningIssuer
from ca.own_lint import OwnLintError
from ca.own_profiles import OwnProfile
from ca.profiles import BACKDATING, Addresses, Validity, new_serial
from ca.signing import assemble, certify, to_be_signed
from ca.tables import IS_OURS, CertificateRow
from kernel import audit
from kernel.database import Database
from kernel.errors import Refused

# The part of its time that a certificate has left when it is renewed, and when it should have been long ago.
_LEFT, _OVERDUE_LEFT = 6, 12


@dataclass(frozen=True)
class _Due:
    """A service whose certificate is to be followed by one of `issuer`, or that has a promise of that kept to it.

    `profile` is what the certificate that it has was made by, None where nobody knows.
    """

    id: int
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

        Raises OwnLintError, which is on record, for what would not be as it must be; Refused("key-blocked"); and Unavailable
        at once while an issuing CA's key is away.
        """
        with self.database.snapshot() as session:
            due = list(_due(session, now))
        troubles: list[OwnLintError | Refused | LookupError] = []
        for one in due:
            try:
                self._renew(one, now)
            except (OwnLintError, Refused, LookupError) as trouble:  # raised below, after the others had their turn
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
            follows=due.id,
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


def overdue(session: Session, now: datetime) -> list[tuple[str, datetime]]:
    """Return the services whose certificates should have been renewed long ago, and when those end."""
    due = ((one.subject, one.certificate) for one in _due(session, now))
    ends = ((subject, old.not_valid_after_utc, old.not_valid_after_utc - old.not_valid_before_utc) for subject, old in due)
    return [(subject, end) for subject, end, lifetime in ends if now >= end - lifetime / _OVERDUE_LEFT]


def _due(session: Session, now: datetime) -> Iterator[_Due]:
    """Find what is to be renewed, and the promises that were cut off before they were signed."""
    turn = terms.whose_turn(terms.succession(session), now)
    telling = {issuer.name: issuer for issuer, _ in terms.telling_status(session, now)}
    authorities = {issuer.name for issuer in issuers.load_all(session)}
    ids = select(func.max(CertificateRow.id)).where(IS_OURS).group_by(CertificateRow.subject)
    for row in session.scalars(select(CertificateRow).where(CertificateRow.id.in_(ids)).order_by(CertificateRow.id)):
        certificate = x509.load_der_x509_certificate(row.der or assemble(row.tbs, b"\x30\x00"))
        if row.subject in authorities or row.issuer not in authorities or _is_authority(certificate):
            continue
        profile = profile_history.own(session, row.profile)
        if row.state == CertificateState.RESERVED and row.issuer in telling:
            promised = Validity(row.not_before, row.not_after)
            yield _Due(row.id, row.subject, certificate, telling[row.issuer], promised, row.key_name, profile)
        if row.state != CertificateState.VALID or now < row.not_after - (row.not_after - row.not_before) / _LEFT:
            continue
        issuer = telling.get(row.issuer) if _answers_status(certificate) else turn
        if issuer is not None:
            wished = profile.lifetime if profile is not None else row.not_after - row.not_before
            is_turn = turn is not None and issuer.name == turn.name
            validity = _validity(session, row, issuer, now, wished=wished, is_turn=is_turn)
            if validity.not_after > row.not_after:
                yield _Due(row.id, row.subject, certificate, issuer, validity, row.key_name, profile)


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
