"""From the old key and certificate to the new ones, so that at every instant one of both pairs lies there whole.

    renewal/pending-key.pem                      the new key, on disk before anything is sent
    renewal/key.pem certificate.pem chain.pem    (or terminal.p12) what was received; not yet proven
    *.old                                        the old files, until the new ones have proven themselves in their place
    switching/                                   `renewal` after its proof: this renaming is the step from old to new

Whatever lies in `switching` counts before the file of the same name outside (`Folder`), so no reader of ours sees half of
each. Other programs do, for the instant of three renamings, or until `heal` after a crash: `renew` begins with it.
All of this is done by whoever holds the lock (`only_one`).
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, MOVING, PENDING, PKCS12, Folder, flush, is_draft, replace, writable

STAGED, OLD = "renewal", ".old"
# The key goes last, as it does in a retrieval.
_NAMES = (CHAIN, CERTIFICATE, KEY, PKCS12)


@dataclass(frozen=True)
class Changeover:
    """A folder and what is to take its place."""

    folder: Folder

    @property
    def staged(self) -> Folder:
        """Where the new key and certificate wait."""
        return Folder(self.folder.path / STAGED, self.folder.passphrase)

    def is_begun(self) -> bool:
        """Return whether there is a new key without a certificate: perhaps it has one at the door."""
        return self.staged.is_pending()

    def is_under_way(self) -> bool:
        """Return whether a renewal was begun and is not finished."""
        return any((self.folder.path / name).exists() for name in (STAGED, MOVING))

    def is_complete(self) -> bool:
        """Return whether a new key and its certificate wait for their proof; raises as `Folder.holding`."""
        held = self.staged.holding()
        return held is not None and held.key_matches is True

    def begin(self) -> ec.EllipticCurvePrivateKey:
        """Return the new key, the same one until `abandon`; raises as `Folder.pending_key`."""
        if not self.is_begun():
            self.abandon()
        return self.staged.pending_key()

    def abandon(self) -> None:
        """Forget the new key, and its certificate, if there is one."""
        with writable(self.folder.path):
            _remove(self.folder.path / STAGED)
            flush(self.folder.path)

    def exchange(self) -> None:
        """Put the new files into the place of the old ones, which are kept as `.old`."""
        place = self.folder.path
        with writable(place):
            for name in _NAMES:
                if (place / name).exists():
                    replace(place / f"{name}{OLD}", (place / name).read_bytes())
            (place / STAGED / PENDING).unlink(missing_ok=True)
            flush(place)
            (place / STAGED).rename(place / MOVING)
            flush(place)
        self.heal()

    def heal(self) -> None:
        """Finish what a crash interrupted; raises Refused("folder-unwritable")."""
        place = self.folder.path
        with writable(place):
            for file in _drafts(place) + _drafts(place / STAGED):
                file.unlink()
            if not (place / MOVING).is_dir():
                return
            for name in _NAMES:
                if (place / MOVING / name).exists():
                    (place / MOVING / name).replace(place / name)
            # The new names must last before the folder is gone that would lead to them.
            flush(place)
            _remove(place / MOVING)
            flush(place)

    def drop_old(self) -> None:
        """Delete the old files: those in their place have proven themselves."""
        place = self.folder.path
        with writable(place):
            for name in _NAMES:
                (place / f"{name}{OLD}").unlink(missing_ok=True)
            flush(place)


def _drafts(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if is_draft(file)] if folder.is_dir() else []


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
