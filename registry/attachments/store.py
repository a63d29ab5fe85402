"""Files below a folder of the home, each under the SHA-256 of its content: written once, never changed, read by us only.

A file is written aside before the transaction that enters it and put into its place inside that transaction, under the
lock of its row (`records`): so a row without its file never exists, and a file without a row is purged.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import Refused, Unavailable

DIGEST = re.compile(r"[0-9a-f]{64}")
_ASIDE = ".new-"


@dataclass(frozen=True)
class Aside:
    """A content that was written and has no name yet. Its open file is locked: a process that ended holds no lock."""

    path: Path
    descriptor: int
    sha256: str
    size: int


@dataclass(frozen=True)
class Store:
    """The folder. It is made when the first file comes."""

    folder: Path

    def write_aside(self, content: bytes) -> Aside:
        """Write a content beside the others; raise Unavailable when the disk does not take it."""
        path, descriptor = self._new_file()
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise Unavailable("attachments can not be written") from error
        return Aside(path, descriptor, hashlib.sha256(content).hexdigest(), len(content))

    def place(self, aside: Aside) -> None:
        """Put what was written aside into its place, for good, also over the same content."""
        target = self._path(aside.sha256)
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            aside.path.replace(target)
            for folder in (target.parent, self.folder):
                _sync(folder)
        except OSError as error:
            raise Unavailable("attachments can not be written") from error

    def drop(self, aside: Aside) -> None:
        """Forget what was written aside, if it was not placed."""
        aside.path.unlink(missing_ok=True)
        os.close(aside.descriptor)

    def read(self, sha256: str) -> bytes:
        """Return a content; raise Refused("attachment-lost") when it is gone or no longer what was sent."""
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise Refused("attachment-lost") from error
        except OSError as error:
            raise Unavailable("attachments can not be read") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused("attachment-lost")
        return content

    def remove(self, sha256: str) -> None:
        """Delete a content; one that is gone already may be deleted again."""
        self._path(sha256).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Return the digests of all contents that are there."""
        return (path.name for path in self.folder.glob("??/*") if DIGEST.fullmatch(path.name))

    def sweep(self) -> int:
        """Delete what was written aside by processes that were ended then, and return how many files that were."""
        return sum(_left_behind(path) for path in self.folder.glob(f"{_ASIDE}*"))

    def _new_file(self) -> tuple[Path, int]:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            while True:
                path = self.folder / f"{_ASIDE}{secrets.token_hex(8)}"
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return path, descriptor
                os.close(descriptor)  # it was swept before it was locked
        except OSError as error:
            raise Unavailable("attachments can not be written") from error

    def _path(self, sha256: str) -> Path:
        if DIGEST.fullmatch(sha256) is None:  # it becomes a path
            raise ValueError(sha256)
        return self.folder / sha256[:2] / sha256


def _left_behind(path: Path) -> bool:
    """Delete a file unless somebody holds its lock; return whether it was deleted."""
    with suppress(FileNotFoundError, BlockingIOError):
        descriptor = os.open(path, os.O_WRONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)
        return True
    return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
