"""A plan against what stands: a ceremony adds, it alters nothing. Read-only, and before any key is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import issuers, terms
from ca.issuers import Issuer
from ca.plan import YEAR, AuthorityPlan, Plan, ServicePlan, link_name
from ca.profiles import Validity
from ca.service_profiles import service_builder
from ca.signing import assemble, to_be_signed
from ca.tables import CertificateRow
from ca.yaml_lines import FileFault
from kernel.database import Database
from keys.algorithms import algorithm_of

# Their addresses come from the settings, which may have changed since a certificate was made.
_NOT_COMPARED = {ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS}
# Returns the algorithm of the key with a name, None where there is no such key here.
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
    of_subject = select(CertificateRow).where(CertificateRow.subject == subject, CertificateRow.kind == "service")
    return session.scalar(of_subject.order_by(CertificateRow.id.desc()).limit(1))


def services(session: Session) -> set[str]:
    """Return the names under which certificates of our own are on record."""
    return set(session.scalars(select(CertificateRow.subject).where(CertificateRow.kind == "service")))


@dataclass(frozen=True)
class _Look:
    session: Session
    plan: Plan
    now: datetime
    kind_of: KindOf

    def at_authority(self, plan: AuthorityPlan) -> Iterator[Fault]:
        standing = self._founding(plan.name)
        if standing is None:
            yield from self._at_key(plan)
        if standing is None or issuers.load(self.session, plan.name) is None:
            yield from self._at_signer(plan.under, plan)
        if standing is not None:
            yield from self._at_standing(plan, standing, self._differences(plan, standing))
            yield from self._at_terms(plan)
        for signer, subject in ((plan.name, plan.replaces), (plan.replaces, plan.name)):
            if plan.replaces is not None and signer is not None and not self._is_signed(link_name(subject or "", signer)):
                yield from self._at_key_away(signer, plan)

    def at_service(self, plan: ServicePlan) -> Iterator[Fault]:
        standing = self._founding(plan.name)
        if standing is None:
            yield from self._at_key(plan)
        if not self._is_signed(plan.name):
            yield from self._at_signer(plan.under, plan)
        issuer = issuers.load(self.session, plan.under)
        if standing is not None:
            differences = self._differences(plan, standing)
            if issuer is not None and not differences:
                differences = _unlike(_expected(self.plan, plan, issuer, standing), standing)
            yield from self._at_standing(plan, standing, differences)

    def _at_key(self, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        kind = self.kind_of(plan.name)
        if kind not in {None, plan.algorithm}:
            yield plan.line, f"{plan.name}: there is a key of this name already, and it is of the kind {kind}"

    def _at_signer(self, under: str | None, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        """Look whether what is new can be signed by a key that is here, and ends before who signs it."""
        above = issuers.load(self.session, under) if under else None
        if above is None or under is None:
            return
        yield from self._at_key_away(under, plan)
        if self.now + plan.years * YEAR > (end := above.certificate.not_valid_after_utc):
            yield plan.line, f"{plan.name}: would outlive {under}, which ends on {end:%Y-%m-%d}"

    def _at_key_away(self, signer: str, plan: AuthorityPlan | ServicePlan) -> Iterator[Fault]:
        if issuers.load(self.session, signer) is not None and self.kind_of(signer) is None:
            yield (
                plan.line,
                f"{plan.name}: {signer} must sign, and its key is not here; `tegata root import` brings a root's back",
            )

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

    def _differences(self, plan: AuthorityPlan | ServicePlan, standing: x509.Certificate) -> list[str]:
        names = {issuer.certificate.subject: issuer.name for issuer in issuers.load_all(self.session)}
        under = None if standing.issuer == standing.subject else names.get(standing.issuer)
        kept = standing.not_valid_after_utc - standing.not_valid_before_utc
        named = plan.common_name if isinstance(plan, ServicePlan) and plan.names else None
        subject = standing.subject if named else self.plan.name_of(plan.common_name)
        compared = {
            "organization or common_name": subject == standing.subject,
            "algorithm": algorithm_of(standing.public_key()).name == plan.algorithm,
            "years": kept == plan.years * YEAR,
            "under": under == plan.under,
        }
        return [name for name, is_same in compared.items() if not is_same]

    def _founding(self, name: str) -> x509.Certificate | None:
        """Return the first certificate of a name, promised or signed: renewals say the same as it does."""
        query = select(CertificateRow.tbs).where(CertificateRow.subject == name, CertificateRow.kind == "service")
        tbs = self.session.scalar(query.order_by(CertificateRow.id).limit(1))
        return x509.load_der_x509_certificate(assemble(tbs, b"\x30\x00")) if tbs else None

    def _is_signed(self, name: str) -> bool:
        row = newest(self.session, name)
        return row is not None and row.der is not None


def _expected(plan: Plan, service: ServicePlan, issuer: Issuer, standing: x509.Certificate) -> x509.Certificate:
    validity = Validity(standing.not_valid_before_utc, standing.not_valid_after_utc)
    builder = service_builder(plan, service, issuer, standing.public_key(), validity)
    return x509.load_der_x509_certificate(assemble(to_be_signed(builder, issuer.public_key), b"\x30\x00"))


def _unlike(expected: x509.Certificate, standing: x509.Certificate) -> list[str]:
    """Return the names of what two certificates do not have in common."""
    pairs = {one.oid: [one] for one in expected.extensions if one.oid not in _NOT_COMPARED}
    for other in standing.extensions:
        if other.oid not in _NOT_COMPARED:
            pairs.setdefault(other.oid, []).append(other)
    unlike = [oid._name for oid, pair in pairs.items() if len(pair) < 2 or pair[0] != pair[1]]  # noqa: SLF001, PLR2004
    return unlike + ([] if expected.subject == standing.subject else ["hosts"])
