"""A plan against what stands: a ceremony adds, it alters nothing. Read-only, and before any key is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import blocked_keys, issuers, terms
from ca.certificates import CertificateState
from ca.issuers import Issuer
from ca.plan import YEAR, AuthorityPlan, Plan, ServiceKind, ServicePlan, link_name
from ca.profiles import Validity
from ca.requests import spki_digest
from ca.service_profiles import service_builder
from ca.signing import assemble, to_be_signed
from ca.tables import IS_OURS, CertificateRow
from ca.yaml_lines import FileFault
from kernel.database import Database
from keys.algorithms import algorithm_of
from keys.trouble import CustodyAwayError

# Their addresses come from the settings, which may have changed since a certificate was made; who signed is compared by name.
_NOT_COMPARED = {
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
# Returns the algorithm of the key with a name, None where there is no such key here; raises CustodyAwayError.
KindOf = Callable[[str], str | None]
Fault = tuple[int, str]


def require_agreement(database: Database, plan: Plan, now: datetime, kind_of: KindOf) -> None:
    """Raise FileFault with everything in which a plan contradicts certificates and keys that stand."""
    with database.snapshot() as session:
        look = _Look(session, plan, now, kind_of)
        faults = [fault for authority in plan.authorities for fault in look.at_authority(authority)]
        faults += [fault for service in plan.services for fault in look.at_service(service)]
    if faults:
        raise FileFault([f"{plan.file}:{line}: {what}" for line, what in sorted(faults)])


def newest(session: Session, subject: str) -> CertificateRow | None:
    """Return the newest certificate of one of our own, signed or only promised."""
    of_subject = select(CertificateRow).where(CertificateRow.subject == subject, IS_OURS)
    return session.scalar(of_subject.order_by(CertificateRow.id.desc()).limit(1))


def services(session: Session) -> set[str]:
    """Return the names under which certificates of our own are on record."""
    return set(session.scalars(select(CertificateRow.subject).where(IS_OURS)))


@dataclass(frozen=True)
class _Look:
    session: Session
    plan: Plan
    now: datetime
    kind_of: KindOf

    def at_authority(self, plan: AuthorityPlan) -> Iterator[Fault]:
        standing = self._founding(plan.name)
        if standing is None:
            yield from self._at_key(plan.name, plan)
            yield from self._at_given_up(plan)
        if standing is None or issuers.load(self.session, plan.name) is None:
            yield from self._at_signer(plan.under, plan)
        if standing is not None:
            yield from self._at_standing(plan, standing, self._differences(plan, standing, standing))
            yield from self._at_terms(plan)
        for signer, subject in ((plan.name, plan.replaces), (plan.replaces, plan.name)):
            if plan.replaces is not None and signer is not None and not self._is_signed(link_name(subject or "", signer)):
                yield from self._at_key_away(signer, plan)

    def at_service(self, plan: ServicePlan) -> Iterator[Fault]:
        standing, last = self._founding(plan.name), newest(self.session, plan.name)
        has_its_key = last is not None and last.key_name == plan.key_name
        if last is not None and not has_its_key and plan.key <= (reached := _count_of_keys(last)):
            yield plan.line, f"{plan.name}: is on its key {reached}, and no older one comes back"
            return
        if not has_its_key or standing is None:
            yield from self._at_key(plan.key_name, plan)
        if last is None or last.der is None or not has_its_key:
            yield from self._at_signer(plan.under, plan)
        if standing is not None and last is not None:
            issuer = issuers.load(self.session, plan.under)
            # A new key may be of another kind.
            differences = self._differences(plan, standing, _read(last.tbs) if has_its_key else None)
            if issuer is not None and not differences:
                differences = _unlike(_expected(self.plan, plan, issuer, standing), standing)
            yield from self._at_standing(plan, standing, differences)

    def _at_key(self, name: str, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        try:
            kind = self.kind_of(name)
        except CustodyAwayError as away:
            yield plan.line, f"{plan.name}: its key can not be made now: {away}"
            return
        if kind not in {None, plan.algorithm}:
            yield plan.line, f"{name}: there is a key of this name already, and it is of the kind {kind}"

    def _at_given_up(self, plan: AuthorityPlan) -> Iterator[Fault]:
        last = newest(self.session, plan.name)
        if last is not None and blocked_keys.is_blocked(self.session, last.spki_sha256):
            yield plan.line, f"{plan.name}: its key is blocked, and it was given up. Give what is new a name of its own"

    def _at_signer(self, under: str | None, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        """Look whether what is new can be signed by a key that is here, and ends before who signs it."""
        above = issuers.load(self.session, under) if under else None
        if above is None or under is None:
            return
        yield from self._at_key_away(under, plan)
        if self.now + plan.years * YEAR > (end := above.certificate.not_valid_after_utc):
            yield plan.line, f"{plan.name}: would outlive {under}, which ends on {end:%Y-%m-%d}"

    def _at_key_away(self, signer: str, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        standing = issuers.load(self.session, signer)
        if standing is None:
            return
        if blocked_keys.is_blocked(self.session, spki_digest(standing.public_key)):
            yield plan.line, f"{plan.name}: {signer} would have to sign, and its key is blocked: put it under another one"
            return
        if not _answers_status(plan) and _is_revoked(self.session, signer):
            yield plan.line, f"{plan.name}: {signer} would have to sign, and its certificate is revoked: put it under another one"
            return
        try:
            is_here, remedy = self.kind_of(signer) is not None, "`tegata root import` brings a root's back"
        except CustodyAwayError as away:
            is_here, remedy = False, f"{away}. Put it in for as long as the ceremony takes"
        if not is_here:
            yield plan.line, f"{plan.name}: {signer} must sign, and its key is not here; {remedy}"

    def _at_standing(
        self, plan: AuthorityPlan | ServicePlan, standing: x509.Certificate, differences: list[str]
    ) -> Iterator[Fault]:
        if differences:
            since = f"{standing.not_valid_before_utc:%Y-%m-%d}"
            what = f"stands since {since} and can not be altered; different are {', '.join(differences)}"
            yield plan.line, f"{plan.name}: {what}. Give what is new a name of its own"

    def _at_terms(self, plan: AuthorityPlan) -> Iterator[Fault]:
        """Look whether an instant that has come was moved."""
        agreed, issuer = terms.load(self.session, plan.name), issuers.load(self.session, plan.name)
        if agreed is None or issuer is None or agreed.issues_from is None or agreed.issues_from > self.now:
            return
        if (plan.issues_from or issuer.certificate.not_valid_before_utc) != agreed.issues_from:
            yield plan.line, f"{plan.name}: issues since {agreed.issues_from.isoformat()}, and that can not be altered"

    def _differences(
        self, plan: AuthorityPlan | ServicePlan, standing: x509.Certificate, keyed: x509.Certificate | None
    ) -> list[str]:  # fmt: skip
        """Return in what a plan differs; `keyed` is the newest certificate on the planned key, where there is one."""
        names = {issuer.certificate.subject: issuer.name for issuer in issuers.load_all(self.session)}
        under = None if standing.issuer == standing.subject else names.get(standing.issuer)
        kept = standing.not_valid_after_utc - standing.not_valid_before_utc
        named = plan.common_name if isinstance(plan, ServicePlan) and plan.names else None
        subject = standing.subject if named else self.plan.name_of(plan.common_name)
        compared = {
            "organization or common_name": subject == standing.subject,
            "algorithm": keyed is None or algorithm_of(keyed.public_key()).name == plan.algorithm,
            "years": kept == plan.years * YEAR,
            "under": under == plan.under or self._may_move(plan, under),
        }
        return [name for name, is_same in compared.items() if not is_same]

    def _may_move(self, plan: AuthorityPlan | ServicePlan, under: str | None) -> bool:
        """Return whether a service may be put under another authority: the one that founded it was ended.

        What answers for an authority belongs to it.
        """
        above = issuers.load(self.session, under) if under else None
        if above is None or _answers_status(plan) or not isinstance(plan, ServicePlan):
            return False
        return _is_revoked(self.session, above.name) or blocked_keys.is_blocked(self.session, spki_digest(above.public_key))

    def _founding(self, name: str) -> x509.Certificate | None:
        """Return the first certificate of a name, promised or signed: renewals say the same as it does.

        One that was given up founded nothing.
        """
        query = select(CertificateRow.tbs).where(CertificateRow.subject == name, IS_OURS)
        founding = query.where(CertificateRow.state != CertificateState.ABANDONED).order_by(CertificateRow.id)
        tbs = self.session.scalar(founding.limit(1))
        return _read(tbs) if tbs else None

    def _is_signed(self, name: str) -> bool:
        row = newest(self.session, name)
        return row is not None and row.der is not None


def _read(tbs: bytes) -> x509.Certificate:
    """Read a certificate that may not be signed yet."""
    return x509.load_der_x509_certificate(assemble(tbs, b"\x30\x00"))


def _answers_status(plan: AuthorityPlan | ServicePlan) -> bool:
    """Return whether a plan is of what tells an authority's status, which goes on after the authority was ended."""
    return isinstance(plan, ServicePlan) and plan.kind == ServiceKind.OCSP


def _is_revoked(session: Session, name: str) -> bool:
    """Return whether a certificate of one of our own was revoked."""
    query = select(CertificateRow.id).where(
        CertificateRow.subject == name, IS_OURS, CertificateRow.state == CertificateState.REVOKED
    )
    return session.scalar(query.limit(1)) is not None


def _count_of_keys(row: CertificateRow) -> int:
    """Return which of a service's keys a certificate is on, from 1."""
    _, _, number = (row.key_name or "").partition(".")
    return int(number or 1)


def _expected(plan: Plan, service: ServicePlan, issuer: Issuer, standing: x509.Certificate) -> x509.Certificate:
    validity = Validity(standing.not_valid_before_utc, standing.not_valid_after_utc)
    builder = service_builder(plan, service, issuer, standing.public_key(), validity)
    return _read(to_be_signed(builder, issuer.public_key))


def _unlike(expected: x509.Certificate, standing: x509.Certificate) -> list[str]:
    """Return the names of what two certificates do not have in common."""
    pairs = {one.oid: [one] for one in expected.extensions if one.oid not in _NOT_COMPARED}
    for other in standing.extensions:
        if other.oid not in _NOT_COMPARED:
            pairs.setdefault(other.oid, []).append(other)
    unlike = [oid._name for oid, pair in pairs.items() if len(pair) < 2 or pair[0] != pair[1]]  # noqa: SLF001, PLR2004
    return unlike + ([] if expected.subject == standing.subject else ["hosts"])
