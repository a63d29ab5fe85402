"""What the doors' TLS reads: chains of the certificates that are in force, and the CAs whose terminals are known.

Each node has these files for itself. What they say stands in the database, where any node may have renewed it; so every
door looks there, when it opens and then each minute.
"""

import secrets
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import certificates, issuers
from ca.hierarchy import is_root
from ca.issuers import Issuer
from ca.plan import server_key_name
from ca.services import service
from kernel.database import Database
from kernel.errors import Unavailable
from server import logs
from server.home import write_whole
from server.settings import DOORS, Settings
from server.trouble import Trouble
from server.wiring import database_of, home_of

LOOK_EACH = 60.0  # seconds
_log = logs.logger("server.tls_files")


def secure_doors(settings: Settings) -> list[str]:
    """Return the doors that speak TLS themselves."""
    return [name for name in DOORS if settings.door(name).scheme == "https"]


def write_tls_files(settings: Settings, database: Database) -> None:
    """Write what the TLS of this node's doors needs, and the issuing CAs' certificates for whoever wants them as files."""
    for name in secure_doors(settings):
        write_door_files(settings, database, name)
    home = home_of(settings)
    for issuer in all_issuers(database):
        if not is_root(issuer):
            write_if_changed(home.root_bundle.with_name(f"{issuer.name}.pem"), issuer.pem)


def write_door_files(settings: Settings, database: Database, name: str) -> None:
    """Write a door's chain, name its key, and for the terminals door the CAs whose terminals are known.

    Raises LookupError when the door has no certificate.
    """
    home, standing = home_of(settings), service(database, server_key_name(name))
    leaf = x509.load_der_x509_certificate(standing.certificate).public_bytes(Encoding.PEM).decode()
    with database.snapshot() as session:
        above = issuers.chain(session, certificates.identify(session, standing.certificate).issuer or "")
    # The two may not fit for a moment; a running door then stays with what it has (`server.tls.CachedContext`).
    write_if_changed(home.tls / f"{name}.pem", leaf + "".join(issuer.pem for issuer in above))
    link_if_changed(home.tls / f"{name}.key", Path("..") / home.keys.name / f"{standing.key_name}.key")
    if name == "terminals":
        write_if_changed(home.tls / "clients.pem", "".join(issuer.pem for issuer in all_issuers(database)))


def write_at_start(settings: Settings, name: str) -> None:
    """Write a door's files before it opens; while the database does not answer, those that lie there have to do."""
    database = database_of(settings, connections=1)
    try:
        write_door_files(settings, database, name)
    except Unavailable as error:
        _log.warning("tls.not-looked", door=name, reason=str(error))
    except LookupError as error:
        raise Trouble(f"{name}: {error}; `tegata init` holds it") from error
    finally:
        database.dispose()


def keep_written(settings: Settings, name: str, look_each: float = LOOK_EACH) -> None:
    """Let this process take a door's renewed certificate from the database, wherever that was renewed, as long as it lives."""
    database = database_of(settings, connections=1)

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(look_each):
            try:
                write_door_files(settings, database, name)
            except Exception as error:  # noqa: BLE001 (whatever it is, the door goes on with what it has)
                _log.warning("tls.not-looked", door=name, reason=f"{type(error).__name__}: {error}")

    threading.Thread(target=look, name="tls", daemon=True).start()


def all_issuers(database: Database) -> list[Issuer]:
    """Return all issuers."""
    with database.snapshot() as session:
        return issuers.load_all(session)


def write_if_changed(path: Path, content: str) -> None:
    """Write a file unless it says this already, so that nobody reads it anew for nothing."""
    if not path.exists() or path.read_text(encoding="ascii") != content:
        write_whole(path, content)


def link_if_changed(path: Path, target: Path) -> None:
    """Let a name point to a file, from one moment to the next, unless it does so already."""
    if path.is_symlink() and path.readlink() == target:
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.symlink_to(target)
    draft.replace(path)
