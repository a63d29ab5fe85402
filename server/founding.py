"""The making of a home: folders, secrets, database, keys, hierarchy, the doors' TLS files.

Each step looks first whether it was done, so an interrupted making is taken up where it stopped.
"""

import ipaddress
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import ceremony_check
from ca.ceremony import Plan, service_certificate, usual_plan
from ca.hierarchy import is_root
from ca.plan import with_mail, with_scep
from ca.plan_file import render
from ca.profiles import ServerNames
from kernel.database import Database
from migrations.upgrade import upgrade
from server import ceremonies
from server.ceremonies import CeremonyFile, Held
from server.custody import Custody, gateway_signer_of
from server.home import write_whole
from server.issuing import addresses_of
from server.sealing import signer_of
from server.settings import DoorSettings, Settings
from server.tls_files import all_issuers, secure_doors, write_if_changed, write_tls_files
from server.wiring import home_of

CEREMONY_FILE = "ceremony.yaml"
Say = Callable[[str], None]
LOOPBACK = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1")))


def found(settings: Settings, database: Database, now: datetime, say: Say) -> Held:
    """Make everything that a home needs before its doors can open, by its ceremony.yaml, or the usual one."""
    home = home_of(settings)
    home.make()
    path = home.path / CEREMONY_FILE
    if not path.exists():
        write_whole(path, render(plan_of(settings)))
    return found_by(settings, database, ceremonies.read(settings, path), now, say)


def found_by(
    settings: Settings, database: Database, file: CeremonyFile, now: datetime, say: Say, *, operator: str = ""
) -> Held:  # fmt: skip
    """Make what a ceremony's file describes and the home does not have yet; a home is made where there is none."""
    home = home_of(settings)
    home.make()
    say("database")
    upgrade(database)
    with database.snapshot() as session:
        ceremonies.require_complete(settings, file, ceremony_check.services(session))
    say("keys")
    Custody(settings).found()
    say("certificate authority")
    held = ceremonies.hold(settings, database, file, operator, now)
    write_tls_files(settings, database)
    for name in file.plan.links:
        link = x509.load_der_x509_certificate(service_certificate(database, name))
        write_if_changed(home.root_bundle.with_name(f"{name}.pem"), link.public_bytes(Encoding.PEM).decode())
    # For those who check the audit log: they must have it from us, not from the door that serves the log.
    write_if_changed(home.log_key, f"{signer_of(settings, database, now).verifier}\n")
    write_if_changed(home.gateway_key, f"{gateway_signer_of(settings).verifier}\n")
    # Last, because it says that the home is whole.
    write_if_changed(home.root_bundle, "".join(issuer.pem for issuer in all_issuers(database) if is_root(issuer)))
    return held


def plan_of(settings: Settings) -> Plan:
    """Return what the usual ceremony founds."""
    doors = {name: names_of(settings.door(name)) for name in secure_doors(settings)}
    usual = usual_plan(settings.organisation, addresses_of(settings), doors, home_of(settings).published)
    return with_mail(with_scep(usual), settings.mail_from)


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


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
