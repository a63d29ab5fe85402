"""What a ceremony is to found: authorities, and the services below them. `ca.plan_file` reads one from YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.profiles import Addresses, ServerNames

ROOT, ISSUING, RESPONDER, TIMESTAMP, CMP = "root", "issuing-1", "ocsp", "timestamp", "cmp"
SCEP, DOCUMENTS, MAIL = "scep", "documents", "mail"
YEAR = timedelta(days=365)
# A root changes nothing for years; gateways that check the whole chain need its list all the same.
ROOT_CRL, ISSUING_CRL = (timedelta(days=182), YEAR), (timedelta(days=1), timedelta(days=3))
_COMMON_NAME_LENGTH = 64  # X.520 ub-common-name


class ServiceKind(StrEnum):
    """What a service's certificate is for."""

    OCSP = "ocsp"
    TIMESTAMP = "timestamp"
    DOCUMENT = "document"
    SCEP = "scep"
    CMP = "cmp"
    MAIL = "mail"
    SERVER = "server"


@dataclass(frozen=True)
class AuthorityPlan:
    """A certificate authority; a root is below nobody. `name` is the issuer's and its key's.

    `replaces` is the older root that this one is linked with (RFC 4210 §4.4). `line` is where its description begins.
    """

    name: str
    common_name: str
    algorithm: str
    years: int
    under: str | None
    crl_period: timedelta
    crl_lifetime: timedelta
    issues_from: datetime | None = None
    replaces: str | None = None
    line: int = 1


@dataclass(frozen=True)
class ServicePlan:
    """A service of ours that has a key and a certificate; `name` is the certificate's in our records.

    `key` counts its keys: a higher number is a new key, with a new certificate on it.
    """

    name: str
    kind: ServiceKind
    common_name: str
    algorithm: str
    years: int
    under: str
    names: ServerNames | None = None
    mail: str | None = None
    key: int = 1
    line: int = 1

    @property
    def key_name(self) -> str:
        """The key's name: the service's for the first one."""
        return self.name if self.key == 1 else f"{self.name}.{self.key}"


@dataclass(frozen=True)
class Plan:
    """A whole plan: who we are, where status is published, and what is founded, roots first.

    `file` is where it is written, for messages.
    """

    organization: str
    addresses: Addresses
    authorities: tuple[AuthorityPlan, ...]
    services: tuple[ServicePlan, ...]
    crl_folder: Path
    country: str = "JP"
    file: Path = field(default=Path("ceremony.yaml"))

    @property
    def links(self) -> list[str]:
        """The names in our records of the certificates that roots give each other."""
        pairs = [(one.name, one.replaces) for one in self.authorities if one.replaces is not None]
        return [name for new, old in pairs for name in (link_name(new, old), link_name(old, new))]

    def name_of(self, common_name: str) -> x509.Name:
        """Return a distinguished name of ours."""
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, self.country),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )


def usual_plan(organization: str, addresses: Addresses, doors: Mapping[str, ServerNames], crl_folder: Path) -> Plan:
    """Return one root, one issuing CA, its responder, time stamps, CMP's and the documents' signers, and the doors (by name)."""
    services = [
        ServicePlan(RESPONDER, ServiceKind.OCSP, _common_name(organization, "OCSP responder 1"), "p256", 2, ISSUING),
        ServicePlan(TIMESTAMP, ServiceKind.TIMESTAMP, _common_name(organization, "time stamps 1"), "p256", 2, ISSUING),
        ServicePlan(CMP, ServiceKind.CMP, _common_name(organization, "CMP 1"), "p256", 2, ISSUING),
        ServicePlan(DOCUMENTS, ServiceKind.DOCUMENT, _common_name(organization, "documents 1"), "p256", 2, ISSUING),
    ]
    for door, names in doors.items():
        services.append(ServicePlan(server_key_name(door), ServiceKind.SERVER, names.host_names[0], "p256", 2, ISSUING, names))
    authorities = (
        AuthorityPlan(ROOT, _common_name(organization, "Root CA"), "p384", 20, None, *ROOT_CRL),
        AuthorityPlan(ISSUING, _common_name(organization, "Issuing CA 1"), "p256", 10, ROOT, *ISSUING_CRL),
    )
    return Plan(organization, addresses, authorities, tuple(services), crl_folder)


def with_scep(plan: Plan) -> Plan:
    """Return a plan with SCEP's registration authority, whose RSA key takes its time to make."""
    scep = ServicePlan(SCEP, ServiceKind.SCEP, _common_name(plan.organization, "SCEP 1"), "rsa3072", 2, ISSUING)
    return replace(plan, services=(*plan.services, scep))


def with_mail(plan: Plan, address: str) -> Plan:
    """Return a plan with what signs the mails that come from an address."""
    mail = ServicePlan(MAIL, ServiceKind.MAIL, _common_name(plan.organization, "mail 1"), "p256", 2, ISSUING, mail=address)
    return replace(plan, services=(*plan.services, mail))


def _common_name(organization: str, role: str) -> str:
    return f"{organization[: _COMMON_NAME_LENGTH - len(role) - 1].rstrip()} {role}"


def link_name(subject: str, signer: str) -> str:
    """Return the name in our records of a root's certificate that another root signed."""
    return f"{subject}-by-{signer}"


def server_key_name(door: str) -> str:
    """Return the name of a door's TLS key, which is also its certificate's subject in our records."""
    return f"tls-{door}"
