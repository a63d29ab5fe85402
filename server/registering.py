"""SCEP's registration authority as a process needs it: its certificate and the RSA key that decrypts requests."""

import time
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca.plan import SCEP
from ca.services import service
from enrollment.protocols.scep.door import ScepDoor
from enrollment.protocols.scep.operations import Operations, RegistrationAuthority
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from kernel.database import Database
from server import logs
from server.custody import Custody
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import home_of

LOOK_EACH = 60.0  # seconds
_log = logs.logger("server.registering")


def registration_authority_of(settings: Settings, database: Database) -> RegistrationAuthority:
    """Return the registration authority; raises LookupError where the ceremony made none, and Trouble for its key."""
    standing = service(database, SCEP)
    certificate = x509.load_der_x509_certificate(standing.certificate)
    key = Custody(settings).expected(standing.key_name, certificate.public_key())
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Trouble(f"key {standing.key_name!r} is not an RSA key: SCEP's clients can not encrypt to it")
    return RegistrationAuthority(certificate, key)


def scep_door_of(settings: Settings, redemption: Redemption, renewal: Renewal) -> ScepDoor:
    """Return what SCEP needs; a home whose ceremony made no registration authority gets a door that says so."""
    database = redemption.database
    try:
        registration = RenewedAuthority(settings, database)
    except LookupError:
        return ScepDoor(None)
    return ScepDoor(Operations(database, redemption, renewal, registration, home_of(settings).published))


class RenewedAuthority:
    """The registration authority of a process that lives long: a renewed one is taken up within `look_each` seconds.

    Raises LookupError and Trouble at once when there is none to begin with.
    """

    def __init__(self, settings: Settings, database: Database, look_each: float = LOOK_EACH) -> None:
        self._settings, self._database, self._look_each = settings, database, look_each
        self._lock = Lock()
        self._authority = registration_authority_of(settings, database)
        self._looked_at = time.monotonic()

    def __call__(self) -> RegistrationAuthority:
        """Return it as it is now."""
        with self._lock:
            if time.monotonic() - self._looked_at > self._look_each:
                self._looked_at = time.monotonic()
                try:
                    self._look()
                except Exception as error:  # noqa: BLE001 (whatever it is, the one that was there goes on)
                    _log.warning("registration.not-looked", reason=f"{type(error).__name__}: {error}")
            return self._authority

    def _look(self) -> None:
        if service(self._database, SCEP).certificate != self._authority.certificate.public_bytes(Encoding.DER):
            self._authority = registration_authority_of(self._settings, self._database)
