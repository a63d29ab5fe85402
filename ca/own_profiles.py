"""The profiles of our own certificates: what the ceremony's plan says of each, kept as terminals' profiles are kept.

A certificate is linted by its profile before it is signed, and judged by the same again each night: `ca.own_rules`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.issuers import Issuer
from ca.plan import YEAR, AuthorityPlan, Plan, ServicePlan, link_name
from ca.profiles import Addresses, Validity


class OwnKind(StrEnum):
    """What one of our own certificates is: an authority's, a link between roots, or a service's of `ca.plan.ServiceKind`."""

    ROOT = "root"
    ISSUING = "issuing"
    LINK = "link"
    OCSP = "ocsp"
    TIMESTAMP = "timestamp"
    DOCUMENT = "document"
    SCEP = "scep"
    CMP = "cmp"
    MAIL = "mail"
    SERVER = "server"


@dataclass(frozen=True)
class OwnProfile:
    """What a certificate of ours must say; `name` is the certificate's in our records.

    `algorithm` is its key's. `lifetime` is how long it runs where its issuer does not end before. `under` is who signs it,
    empty where whoever issues at the time does. A server is named by its hosts alone. Of a link `linked` is the root that
    it speaks of, and says the rest.
    """

    name: str
    kind: OwnKind
    addresses: Addresses
    algorithm: str
    lifetime: timedelta
    common_name: str
    organization: str | None = None
    country: str | None = None
    under: str | None = None
    linked: str | None = None
    hosts: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    mail: str | None = None


def of_authority(plan: Plan, authority: AuthorityPlan) -> OwnProfile:
    """Return the profile of an authority's certificate."""
    return OwnProfile(
        name=authority.name,
        kind=OwnKind.ISSUING if authority.under else OwnKind.ROOT,
        addresses=plan.addresses,
        algorithm=authority.algorithm,
        lifetime=authority.years * YEAR,
        common_name=authority.common_name,
        organization=plan.organization,
        country=plan.country,
        under=authority.under or authority.name,
    )


def of_link(plan: Plan, linked: Issuer, signer: Issuer, validity: Validity) -> OwnProfile:
    """Return the profile of a root's certificate by another root."""
    [common_name] = linked.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return OwnProfile(
        name=link_name(linked.name, signer.name),
        kind=OwnKind.LINK,
        addresses=plan.addresses,
        algorithm=linked.algorithm.name,
        lifetime=validity.not_after - validity.not_before,
        common_name=str(common_name.value),
        under=signer.name,
        linked=linked.name,
    )


def of_service(plan: Plan, service: ServicePlan) -> OwnProfile:
    """Return the profile of a service's certificate."""
    names = service.names
    return OwnProfile(
        name=service.name,
        kind=OwnKind(service.kind.value),
        addresses=plan.addresses,
        algorithm=service.algorithm,
        lifetime=service.years * YEAR,
        common_name=service.common_name,
        organization=None if names else plan.organization,
        country=None if names else plan.country,
        under=service.under if service.kind.value == OwnKind.OCSP else None,
        hosts=names.host_names if names else (),
        ip_addresses=tuple(str(address.value) for address in names.addresses) if names else (),
        mail=service.mail,
    )


def overlap(one: x509.Certificate, other: x509.Certificate) -> Validity:
    """Return the time in which both of two certificates are good."""
    return Validity(
        max(one.not_valid_before_utc, other.not_valid_before_utc), min(one.not_valid_after_utc, other.not_valid_after_utc)
    )
