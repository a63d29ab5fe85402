"""The making of a home: folders, secrets, database, keys, hierarchy, the doors' TLS files.

Each step looks first whether it was done, so an interrupted making is taken up where it stopped.
"""

import ipaddress
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import issuers
from ca.ceremony import ROOT, Ceremony, Plan, server_key_name, service_certificate
from ca.profiles import ServerNames
from kernel.database import Database
from migrations.upgrade import upgrade
from server.apps.jobs import checkpoint_signer_of
from server.custody import Custody, told_to_the_operator
from server.home import write_whole
from server.issuing import addresses_of, issuer_of
from server.settings import DOORS, DoorSettings, Settings
from server.wiring import home_of

Say = Callable[[str], None]
LOOPBACK = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1")))


def found(settings: Settings, database: Database, now: datetime, say: Say) -> None:
    """Make everything that a home needs before its doors can open."""
    home = home_of(settings)
    home.make()
    say("database")
    upgrade(database)
    say("keys")
    custody = Custody(settings)
    custody.found()
    say("certificate authority")
    with told_to_the_operator():
        Ceremony(database, custody.keys, plan_of(settings)).hold(now)
    write_tls_files(settings, database)
    # For those who check the audit log: they must have it from us, not from the door that serves the log.
    _write_if_changed(home.log_key, f"{checkpoint_signer_of(settings).verifier}\n")
    # Last, because it says that the home is whole.
    write_whole(home.root_bundle, issuer_of(database, ROOT).pem)


def plan_of(settings: Settings) -> Plan:
    """Return what the default ceremony founds."""
    secure = [name for name in DOORS if settings.door(name).scheme == "https"]
    return Plan(
        organization=settings.organisation,
        addresses=addresses_of(settings),
        doors={name: names_of(settings.door(name)) for name in secure},
        crl_folder=home_of(settings).published,
    )


def names_of(door: DoorSettings) -> ServerNames:
    """Return the names in a door's certificate: its public one, and the machine's own when it listens there."""
    hosts: list[str] = []
    addresses: list[x509.IPAddress] = []
    public = urlsplit(door.url).hostname or "localhost"
    try:
        addresses.append(x509.IPAddress(ipaddress.ip_address(public)))
    except ValueError:
        hosts.append(public)
    if _is_local(door.host) or not hosts:
        hosts += [name for name in ("localhost",) if name not in hosts]
        addresses += [address for address in LOOPBACK if address not in addresses]
    return ServerNames(tuple(hosts), tuple(addresses))


def write_tls_files(settings: Settings, database: Database) -> None:
    """Write what the doors' TLS needs: their chains, and the CAs whose terminals the terminals door knows."""
    home = home_of(settings)
    with database.snapshot() as session:
        everyone = issuers.load_all(session)
    for name in plan_of(settings).doors:
        leaf = x509.load_der_x509_certificate(service_certificate(database, server_key_name(name)))
        chain = leaf.public_bytes(Encoding.PEM).decode() + issuer_of(database).pem
        _write_if_changed(home.tls / f"{name}.pem", chain)
    _write_if_changed(home.tls / "clients.pem", "".join(issuer.pem for issuer in everyone))
    for issuer in everyone:
        if issuer.name != ROOT:
            _write_if_changed(home.root_bundle.with_name(f"{issuer.name}.pem"), issuer.pem)


def _write_if_changed(path: Path, content: str) -> None:
    if not path.exists() or path.read_text(encoding="ascii") != content:
        write_whole(path, content)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
