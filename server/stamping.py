"""The time-stamping unit as a process needs it: with its key, its certificate and the certificates above it."""

import time
from datetime import datetime
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import certificates, issuers
from ca.plan import TIMESTAMP
from ca.services import service, service_certificate
from ca.timestamps import TimestampUnit
from kernel.database import Database
from keys.algorithms import SigningKey
from server import logs
from server.custody import Custody
from server.settings import Settings

LOOK_EACH = 60.0  # seconds
_log = logs.logger("server.stamping")


def timestamp_unit_of(settings: Settings, database: Database) -> TimestampUnit:
    """Return what makes time stamps: for the door that serves them, and for whoever stamps our own documents."""
    unit = service(database, TIMESTAMP)
    with database.snapshot() as session:
        above = certificates.identify(session, unit.certificate).issuer
        chain = tuple(issuer.certificate for issuer in issuers.chain(session, above or ""))
    certificate = x509.load_der_x509_certificate(unit.certificate)
    key = Custody(settings).expected(unit.key_name, certificate.public_key())
    return TimestampUnit(certificate, chain, key, settings.timestamp_policy_oid)


class RenewedUnit:
    """The unit of a process that lives long: a renewed certificate is taken up within `look_each` seconds.

    Raises Trouble and LookupError at once when there is no unit to begin with.
    """

    def __init__(self, settings: Settings, database: Database, look_each: float = LOOK_EACH) -> None:
        self._settings, self._database, self._look_each = settings, database, look_each
        self._lock = Lock()
        self._unit = timestamp_unit_of(settings, database)
        self._looked_at = time.monotonic()

    @property
    def key(self) -> SigningKey:
        """The key in use."""
        return self._current().key

    def answer(self, request: bytes, now: datetime) -> bytes:
        """Answer a request; never raises for what a client sent."""
        return self._current().answer(request, now)

    def _current(self) -> TimestampUnit:
        with self._lock:
            if time.monotonic() - self._looked_at > self._look_each:
                self._looked_at = time.monotonic()
                try:
                    self._look()
                except Exception as error:  # noqa: BLE001 (whatever it is, the unit that was there goes on)
                    _log.warning("unit.not-looked", reason=f"{type(error).__name__}: {error}")
            return self._unit

    def _look(self) -> None:
        der = service_certificate(self._database, TIMESTAMP)
        if der != self._unit.certificate.public_bytes(Encoding.DER):
            self._unit = timestamp_unit_of(self._settings, self._database)
