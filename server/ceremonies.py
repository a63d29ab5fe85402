"""Ceremonies at the command line: the file is read, held, and told of in a signed transcript in the home."""

import fcntl
import getpass
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ca import expiry, plan_file, transcript
from ca.ceremony import Ceremony, Plan
from ca.expiry import Expiry
from ca.own_lint import OwnLintError
from ca.plan import TIMESTAMP, server_key_name
from ca.plan_file import Surroundings
from ca.transcript import Occasion
from ca.yaml_lines import FileFault
from kernel import audit
from kernel.database import Database
from server.custody import Custody, told_to_the_operator
from server.home import write_whole
from server.issuing import addresses_of, profile_of
from server.settings import Settings
from server.tls_files import secure_doors
from server.trouble import Trouble
from server.wiring import home_of

SIGNATURE, PUBLIC_KEY = ".sig", "transcripts.pub"


@contextmanager
def told_with_lines() -> Iterator[None]:
    """Turn the faults of a file, and of a certificate that it would have led to, into Trouble."""
    try:
        yield
    except (FileFault, OwnLintError) as fault:
        raise Trouble(str(fault)) from fault


@dataclass(frozen=True)
class Held:
    """What came of a ceremony: whether anything was done, its transcript where one was written, what comes to its end."""

    is_new: bool
    transcript: Path | None
    awaiting: list[Expiry]


@dataclass(frozen=True)
class CeremonyFile:
    """A ceremony's file as it was read once."""

    path: Path
    content: bytes
    plan: Plan


def read(settings: Settings, path: Path) -> CeremonyFile:
    """Read a ceremony's file; raises Trouble with every fault and its line, also when the doors would lack something."""
    content = path.read_bytes()

    def custody_of(name: str) -> str:
        return "software" if settings.keys.place(name) is None else "pkcs11"

    around = Surroundings(addresses_of(settings), home_of(settings).published, custody_of)
    with told_with_lines():
        plan = plan_file.read(content, path, around)
    known = profile_of(settings).issuer_algorithms
    # Told now: at the instant at which it begins to issue it would be too late.
    if faults := [
        f"{path}:{one.line}: {one.name}: the terminals' profile does not let {one.algorithm} sign (issuer_algorithms)"
        for one in plan.authorities
        if one.under is not None and one.algorithm not in known
    ]:
        raise Trouble("\n".join(faults))
    return CeremonyFile(path, content, plan)


def require_complete(settings: Settings, file: CeremonyFile, standing: set[str]) -> None:
    """Raise Trouble when neither a file nor what stands has the certificates without which the doors do not open."""
    needed = {TIMESTAMP, *map(server_key_name, secure_doors(settings))}
    missing = sorted(needed - standing - {service.name for service in file.plan.services})
    if missing:
        raise Trouble(f"{file.path}:1: the doors need services that are not there: {', '.join(missing)}")


def hold(settings: Settings, database: Database, file: CeremonyFile, operator: str, now: datetime) -> Held:
    """Hold a ceremony and write its transcript; what was done already is not done again.

    Two in one home follow each other, so that one transcript tells of what was done.
    """
    with _alone(settings):
        return _hold(settings, database, file, operator, now)


def _hold(settings: Settings, database: Database, file: CeremonyFile, operator: str, now: datetime) -> Held:
    with told_with_lines(), told_to_the_operator():
        is_new = Ceremony(database, Custody(settings).keys, file.plan).hold(now)
    with database.snapshot() as session:
        awaiting = expiry.approaching(session, now)
    occasion = Occasion(operator or _user(), _user(), now, file.path.name, file.content)
    return Held(is_new, _write_transcript(settings, database, file, occasion), awaiting)


def verify(settings: Settings, path: Path) -> None:
    """Raise Trouble unless a transcript is as this house signed it."""
    key = load_pem_public_key((home_of(settings).path / "ceremonies" / PUBLIC_KEY).read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise Trouble(f"{PUBLIC_KEY} is no Ed25519 key")
    try:
        key.verify(path.with_name(path.name + SIGNATURE).read_bytes(), path.read_bytes())
    except InvalidSignature:
        raise Trouble(f"{path} is not what was signed") from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Wait until no other ceremony is held in this home; a process that dies lets go."""
    folder = home_of(settings).path / "ceremonies"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / ".lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_transcript(settings: Settings, database: Database, file: CeremonyFile, occasion: Occasion) -> Path | None:
    """Write text, then the audit entry, then the signature: whose presence says that the other two are there."""
    folder = home_of(settings).path / "ceremonies"
    with database.snapshot() as session:
        digest = transcript.digest(session, file.plan, file.content)
        content = transcript.text(session, occasion).encode()
    if any(folder.glob(f"*-{digest}.txt{SIGNATURE}")):
        return None
    path = folder / f"{occasion.held:%Y%m%d}-{digest}.txt"
    key = Custody(settings).checkpoint()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_whole(folder / PUBLIC_KEY, public)
    write_whole(path, content)
    with database.transaction() as session:
        audit.record(
            session,
            now=occasion.held,
            actor=audit.operator("ceremony"),
            action="ceremony.hold",
            subject=f"ceremony:{digest}",
            operator=occasion.operator,
            file_sha256=hashlib.sha256(file.content).hexdigest(),
            transcript_sha256=hashlib.sha256(content).hexdigest(),
        )
    with told_to_the_operator():
        signature = key.sign(content)
    write_whole(path.with_name(path.name + SIGNATURE), signature)
    return path


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry in the system's list
        return str(os.getuid())
