"""Breaking the world on purpose: a database whose connection fails at a chosen moment, a signing key that does something else.

None of this touches our modules: faults come through SQLAlchemy's engine events and through the key that is handed in.
"""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric_utils
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from ca.authority import Authority
from kernel.database import Database


class Place(StrEnum):
    """Where in a use case a fault strikes; counted from 1 after it was armed."""

    READ = "a snapshot begins"
    WRITE = "a transaction begins"
    COMMIT = "a transaction commits"


class Harm(StrEnum):
    """What happens there."""

    REFUSED = "the database says no"
    CUT = "the connection breaks before the database is told"
    DONE_AND_CUT = "the database does it, the connection breaks before the answer"
    KILLED = "the process dies"
    DONE_AND_KILLED = "the database does it, the process dies"


class Trouble(Exception):
    """What broken keys raise."""


@dataclass
class Fault:
    """One fault, once: the `nth` time that a database comes to a place."""

    place: Place
    nth: int
    harm: Harm

    def arm(self, database: Database) -> None:
        """Let it strike this database."""
        event.listen(database.engine, "begin", self._on_begin)
        event.listen(database.engine, "commit", self._on_commit)

    def _on_begin(self, connection: Connection) -> None:
        reads = connection.get_execution_options().get("read_only", False)
        self._come_to(Place.READ if reads else Place.WRITE, connection)

    def _on_commit(self, connection: Connection) -> None:
        self._come_to(Place.COMMIT, connection)

    def _come_to(self, place: Place, connection: Connection) -> None:
        if place is self.place:
            self.nth -= 1
            if self.nth == 0:
                _strike(self.harm, connection)


def die() -> NoReturn:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _strike(harm: Harm, connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    if driver is None:
        raise AssertionError("a connection without its driver's")
    if harm in (Harm.DONE_AND_CUT, Harm.DONE_AND_KILLED):
        driver.commit()
    if harm in (Harm.KILLED, Harm.DONE_AND_KILLED):
        die()
    if harm is Harm.REFUSED:
        raise OperationalError("COMMIT", None, _full(connection))
    driver.close()


def _full(connection: Connection) -> Exception:
    """Return what the driver says when the disk is full."""
    if connection.dialect.name == "postgresql":
        return psycopg.errors.DiskFull("no space left on device")
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


class AuthorityAtHand(Authority):
    """An authority that takes a broken key for one of this process: rounds of redemptions sign by it themselves."""

    @property
    def is_at_hand(self) -> bool:
        """Yes."""
        return True


class BrokenKey(ec.EllipticCurvePrivateKey):
    """A signing key that does a deed before it signs and another one after it; both are replaced at will."""

    def __init__(self, key: object) -> None:
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("only elliptic-curve keys are broken here")
        self._key = key
        self.before: Callable[[], None] = _nothing
        self.after: Callable[[], None] = _nothing
        self.spoil: Callable[[bytes], bytes] = bytes

    def sign(self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign, between the two deeds."""
        self.before()
        signature = self._key.sign(data, signature_algorithm)
        self.after()
        return self.spoil(signature)

    @property
    def curve(self) -> ec.EllipticCurve:
        """The real key's."""
        return self._key.curve

    @property
    def key_size(self) -> int:
        """The real key's."""
        return self._key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the real key's."""
        return self._key.public_key()

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Refuse: it only signs."""
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Refuse: it only signs."""
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,  # noqa: A002 (pyca's name)
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        """Refuse: it only signs."""
        raise NotImplementedError

    def __copy__(self) -> "BrokenKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "BrokenKey":
        return self


def other_signature(signature: bytes) -> bytes:
    """Return a well-formed signature that is not this one."""
    r, s = asymmetric_utils.decode_dss_signature(signature)
    return asymmetric_utils.encode_dss_signature(r, s ^ 1)


def fail() -> NoReturn:
    """Fail as a device does that was pulled out."""
    raise Trouble("the device does not answer")


def once(deed: Callable[[], None]) -> Callable[[], None]:
    """Return a deed that is done the first time only, so that what comes after meets a sound key."""
    left = [deed]

    def do() -> None:
        with suppress(IndexError):
            left.pop()()

    return do


def _nothing() -> None:
    return
