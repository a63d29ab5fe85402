"""A ceremony of every kind of certificate under every algorithm that makes sense for it, for the tests that judge them."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cryptography import x509
from sqlalchemy import select

from ca.ceremony import Ceremony
from ca.plan import ServiceKind
from ca.plan_file import Surroundings, read
from ca.profiles import Addresses
from ca.tables import CertificateRow
from kernel.database import Database
from keys.algorithms import ALGORITHMS, SigningKey, algorithm_of
from keys.custody import CustodyKey, KeyAlgorithm, SoftwareKeys
from tests.ca.trial import NOW

STATUS = "http://status.example.jp"
EVERY = tuple(ALGORITHMS)
WITH_ED25519 = tuple(name for name in EVERY if name != "mldsa65")
CLASSIC = tuple(name for name in WITH_ED25519 if name != "ed25519")
RSA = ("rsa3072", "rsa4096")
# What can meet a certificate of the kind, and has learnt the algorithm.
SENSIBLE = {
    ServiceKind.OCSP: EVERY,
    ServiceKind.TIMESTAMP: EVERY,
    ServiceKind.DOCUMENT: WITH_ED25519,
    ServiceKind.SCEP: RSA,
    ServiceKind.CMP: WITH_ED25519,
    ServiceKind.MAIL: CLASSIC,
    ServiceKind.SERVER: CLASSIC,
}
KINDS = [(kind, algorithm) for kind, algorithms in SENSIBLE.items() for algorithm in algorithms]
NONSENSE = [(kind, algorithm) for kind in ServiceKind for algorithm in EVERY if algorithm not in SENSIBLE[kind]]


@dataclass(frozen=True)
class PreparedKeys(SoftwareKeys):
    """Custody to which RSA keys come ready-made, because making them takes seconds: one of a size for each level."""

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Keep a new key, or one that was made before."""
        if not algorithm.startswith("rsa"):
            return super().create(name, algorithm)
        key = _rsa(algorithm, name.partition("-")[0] if name.startswith(("root", "issuing")) else "service")
        self.keep(name, key)
        return key


@cache
def _rsa(algorithm: str, level: str) -> SigningKey:
    del level
    return ALGORITHMS[algorithm].generate()


def service_name(kind: ServiceKind, algorithm: str) -> str:
    """Return how a service of a kind with a key of an algorithm is called."""
    return f"{'tls' if kind == ServiceKind.SERVER else kind}-{algorithm}"


def service_line(kind: ServiceKind, algorithm: str, under: str) -> str:
    """Return a service as the ceremony's file has it."""
    named = (
        f"hosts: [{algorithm}.example.jp, 192.0.2.7]" if kind == ServiceKind.SERVER else f"common_name: Trial {kind} {algorithm}"
    )
    mail = ", mail: center@example.jp" if kind == ServiceKind.MAIL else ""
    name = service_name(kind, algorithm)
    return f"  - {{ name: {name}, kind: {kind}, under: {under}, {named}, algorithm: {algorithm}, years: 2{mail} }}\n"


def issuer_of(algorithm: str) -> str:
    """Return the issuing CA under which services of an algorithm are; RSA has one, because its keys are slow to make."""
    return "issuing-rsa3072" if algorithm == "rsa4096" else f"issuing-{algorithm}"


def whole_file() -> str:
    """Return the file: a root and an issuing CA of each algorithm, a second root linked with the first, every service."""
    lines = ["organization: Trial Network\n", "authorities:\n"]
    for name in (name for name in EVERY if name != "rsa4096"):
        lines.append(f"  - {{ name: root-{name}, common_name: Trial Root {name}, algorithm: {name}, years: 20 }}\n")
        facts = f"under: root-{name}, common_name: Trial Issuing CA {name}, algorithm: {name}, years: 10"
        lines.append(f"  - {{ name: issuing-{name}, {facts} }}\n")
    lines.append("  - { name: root-new, common_name: Trial New Root, algorithm: p384, years: 25, replaces: root-p256 }\n")
    lines.append("services:\n")
    one_responder = [(kind, name) for kind, name in KINDS if (kind, name) != (ServiceKind.OCSP, "rsa4096")]
    return "".join([*lines, *(service_line(kind, name, issuer_of(name)) for kind, name in one_responder)])


def hold_every_kind(database: Database, folder: Path) -> SoftwareKeys:
    """Hold the ceremony and return the keys that it made."""
    keys = PreparedKeys(folder / "keys", b"secret")
    around = Surroundings(Addresses(STATUS), folder / "published", lambda _name: "software")
    plan = read(whole_file().encode(), Path("every.yaml"), around)
    Ceremony(database, keys, plan).hold(NOW)
    # An issuing CA has one responder: the second kind of RSA comes as its second key.
    services = (replace(one, key=2, algorithm="rsa4096") if one.name == "ocsp-rsa3072" else one for one in plan.services)
    Ceremony(database, keys, replace(plan, services=tuple(services))).hold(NOW)
    return keys


def all_of_ours(database: Database) -> dict[str, list[x509.Certificate]]:
    """Return every certificate that was made, by its name in our records."""
    found: dict[str, list[x509.Certificate]] = {}
    with database.snapshot() as session:
        for row in session.scalars(select(CertificateRow).order_by(CertificateRow.id)):
            found.setdefault(row.subject, []).append(x509.load_der_x509_certificate(row.der or b""))
    return found


def certificate_of(database: Database, kind: ServiceKind, algorithm: str) -> x509.Certificate:
    """Return the certificate of a kind of service with a key of an algorithm."""
    prefix = service_name(kind, "")
    [found] = [
        one
        for name, certificates in all_of_ours(database).items()
        for one in certificates
        if name.startswith(prefix) and algorithm_of(one.public_key()).name == algorithm
    ]
    return found
