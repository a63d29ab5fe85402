"""The audit log as this house seals it: under the name that it was founded with, and with copies outside of the database.

The name stays when the status door's address changes: those who kept a checkpoint know the log by it. What was signed is
remembered in the home, so that a database that comes back from a backup does not make us sign for two logs, and in the
folders of the setting `audit_copies`, which should be another machine's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.issuers import asking_custody
from kernel import audit
from kernel.audit import Checkpoint, CheckpointSigner, LogName, NoteError, VerifierKey
from kernel.audit.notes import CheckSignature
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from server import logs
from server.custody import Custody
from server.home import write_if_new, write_whole
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, home_of

NEWEST = "newest"
_log = logs.logger("server.sealing")


def name_of(settings: Settings, database: Database, now: datetime) -> LogName:
    """Return the log's present name; one that has none yet is named after the status door's address, without its scheme."""
    with database.snapshot() as session:
        names = audit.names(session)
    if names:
        return names[-1]
    with database.transaction() as session:
        return audit.found(session, settings.status.url.partition("://")[2], now)


def signer_under(key: Ed25519PrivateKey, origin: str) -> CheckpointSigner:
    """Return what signs under a name of the log; it raises Unavailable while the key's custody does not answer."""

    def sign(text: bytes) -> bytes:
        with asking_custody():
            return key.sign(text)

    return CheckpointSigner(origin, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), sign)


def log_check_of(settings: Settings) -> CheckSignature:
    """Return what raises for what the audit log's key did not sign; it needs no more than the key that is handed out."""
    vkey = home_of(settings).log_key.read_text(encoding="utf-8")
    return Ed25519PublicKey.from_public_bytes(VerifierKey.parse(vkey).public_key).verify


def signer_of(settings: Settings, database: Database, now: datetime) -> CheckpointSigner:
    """Return what signs the audit log's heads."""
    return signer_under(Custody(settings).checkpoint(), name_of(settings, database, now).origin)


@dataclass(frozen=True)
class CheckpointCopies:
    """Signed heads in files: `newest`, and the first of each day in Tokyo. `home` comes first and must be written."""

    home: Path
    others: tuple[Path, ...]
    public_key: Ed25519PublicKey
    clock: Clock

    def heads(self) -> Iterator[Checkpoint]:
        """Return the newest head of each folder, where it is ours."""
        for folder in (self.home, *self.others):
            yield from filter(None, [self._read(folder / NEWEST)])

    def keep(self, note: str) -> None:
        """Put a head into the home; raises OSError when that can not be."""
        self._write(self.home, note)

    def spread(self, note: str) -> None:
        """Put the newest head into the other folders that do not have it; raises Trouble for those that are away."""
        away = []
        for folder in self.others:
            try:
                if not (folder / NEWEST).exists() or (folder / NEWEST).read_text(encoding="utf-8") != note:
                    self._write(folder, note)
            except OSError as error:
                away.append(f"{folder}: {error.strerror}")
        if away:
            raise Trouble(f"checkpoints can not be copied (audit_copies): {'; '.join(away)}")

    def files(self) -> Iterator[Path]:
        """Return every head that is kept, those of each day too."""
        for folder in (self.home, *self.others):
            if folder.is_dir():
                yield from sorted(file for file in folder.iterdir() if not file.name.startswith("."))

    def _write(self, folder: Path, note: str) -> None:
        if folder == self.home:
            folder.mkdir(mode=0o700, exist_ok=True)
        write_if_new(folder / f"{tokyo_date(self.clock.now()):%Y%m%d}", note)
        write_whole(folder / NEWEST, note)

    def _read(self, file: Path) -> Checkpoint | None:
        try:
            return audit.opened(file.read_text(encoding="utf-8"), self.public_key.verify)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, NoteError) as error:
            _log.error("checkpoint.copy-unusable", file=str(file), reason=str(error))
            return None


def copies_of(settings: Settings, public_key: Ed25519PublicKey) -> CheckpointCopies:
    """Return where this house keeps signed heads outside of the database."""
    return CheckpointCopies(home_of(settings).checkpoints, settings.audit_copies, public_key, clock_of(settings))


def sealing(settings: Settings, database: Database) -> Callable[[datetime], int]:
    """Return the job."""
    key = Custody(settings).checkpoint()
    copies = copies_of(settings, key.public_key())

    def seal(now: datetime) -> int:
        signer = signer_under(key, name_of(settings, database, now).origin)
        sealed = audit.seal(database, signer, now=now, memory=copies)
        with database.snapshot() as session:
            newest = audit.latest_checkpoint(session)
        if newest is not None:
            copies.spread(newest.note)
        return sealed

    return seal
