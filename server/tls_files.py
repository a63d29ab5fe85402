"""What the doors' TLS reads: chains of the certificates that are in force, and the CAs whose terminals are known."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import certificates, issuers
from ca.ceremony import server_key_name, service_certificate
from ca.issuers import Issuer
from kernel.database import Database
from server.home import write_whole
from server.settings import DOORS, Settings
from server.wiring import home_of


def secure_doors(settings: Settings) -> list[str]:
    """Return the doors that speak TLS themselves."""
    return [name for name in DOORS if settings.door(name).scheme == "https"]


def write_tls_files(settings: Settings, database: Database) -> None:
    """Write what the doors' TLS needs: their chains, and the CAs whose terminals the terminals door knows."""
    home = home_of(settings)
    everyone = all_issuers(database)
    for name in secure_doors(settings):
        der = service_certificate(database, server_key_name(name))
        leaf = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
        with database.snapshot() as session:
            above = issuers.chain(session, certificates.identify(session, der).issuer or "")
        write_if_changed(home.tls / f"{name}.pem", leaf + "".join(issuer.pem for issuer in above))
    write_if_changed(home.tls / "clients.pem", "".join(issuer.pem for issuer in everyone))
    for issuer in everyone:
        if not is_root(issuer):
            write_if_changed(home.root_bundle.with_name(f"{issuer.name}.pem"), issuer.pem)


def all_issuers(database: Database) -> list[Issuer]:
    """Return all issuers."""
    with database.snapshot() as session:
        return issuers.load_all(session)


def is_root(issuer: Issuer) -> bool:
    """Return whether an issuer stands below nobody."""
    return issuer.certificate.issuer == issuer.certificate.subject


def write_if_changed(path: Path, content: str) -> None:
    """Write a file unless it says this already, so that nobody reads it anew for nothing."""
    if not path.exists() or path.read_text(encoding="ascii") != content:
        write_whole(path, content)
