"""CMP as the retrieval door needs it: with its signer's key and certificate, and the opener of sealed codes."""

import time
from collections.abc import Mapping
from threading import Lock

from cryptography import x509

from ca import certificates, issuers
from ca.plan import CMP
from ca.profiles import TerminalProfile
from ca.services import service
from enrollment.confirmations import Confirmations
from enrollment.ending import Endings
from enrollment.mac_secrets import MacSecrets
from enrollment.protocols import problems
from enrollment.protocols.cmp import enrolment, operations, senders, support
from enrollment.protocols.cmp.door import CmpDoor
from enrollment.protocols.cmp.signer import Signer
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from kernel.database import Database
from server import logs
from server.custody import Custody
from server.issuing import addresses_of
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import home_of

LOOK_EACH = 60.0  # seconds
_log = logs.logger("server.answering_cmp")


def cmp_door_of(settings: Settings, redemption: Redemption, renewal: Renewal, profile: TerminalProfile) -> CmpDoor:
    """Return CMP for the retrieval door. Its keys are opened at once; the code is loaded for the first message."""
    database, clock = redemption.database, redemption.clock
    confirmations = Confirmations(database, clock, redemption.letters)
    addresses, published, (smallest, _) = addresses_of(settings), home_of(settings).published, profile.rsa_bits
    secrets = MacSecrets(database, redemption.hasher, Custody(settings).opener())
    signer = RenewedSigner(settings, database)

    def make() -> "operations.Operations":
        return operations.Operations(
            clock=clock,
            authentication=senders.Authentication(database, secrets),
            enrolment=enrolment.Enrolment(database, redemption, renewal, confirmations, tell),
            endings=Endings(database, clock, redemption.letters),
            support=support.Support(database, addresses, published, profile.subject_keys, smallest),
            signer=signer.current,
            tell=tell,
        )

    return CmpDoor(make)


def tell(code: str, facts: Mapping[str, object]) -> tuple[str, ...]:
    """Return a refusal's sentences for a status string: English with its stable code, then Japanese."""
    told = problems.tell(code, facts)
    return f"{code}: {told.english}", told.japanese


def signer_of(settings: Settings, database: Database) -> Signer:
    """Return CMP's signer with its key; raises LookupError and Trouble where there is none."""
    found = service(database, CMP)
    with database.snapshot() as session:
        above = certificates.identify(session, found.certificate).issuer
        chain = tuple(issuer.der for issuer in issuers.chain(session, above or ""))
    public = x509.load_der_x509_certificate(found.certificate).public_key()
    return Signer(found.certificate, chain, Custody(settings).expected(found.key_name, public))


class RenewedSigner:
    """The signer of a process that lives long: a renewed certificate is taken up within `look_each` seconds.

    A home whose ceremony made none has none: then answers to signed messages are not protected, which clients refuse.
    """

    def __init__(self, settings: Settings, database: Database, look_each: float = LOOK_EACH) -> None:
        self._settings, self._database, self._look_each = settings, database, look_each
        self._lock = Lock()
        self._signer: Signer | None = None
        self._look()
        self._looked_at = time.monotonic()

    def current(self) -> Signer | None:
        """Return the signer as it is now."""
        with self._lock:
            if time.monotonic() - self._looked_at > self._look_each:
                self._looked_at = time.monotonic()
                try:
                    self._look()
                except Exception as error:  # noqa: BLE001 (whatever it is, the signer that was there goes on)
                    _log.warning("signer.not-looked", reason=f"{type(error).__name__}: {error}")
            return self._signer

    def _look(self) -> None:
        try:
            found = service(self._database, CMP)
            if self._signer is None or self._signer.certificate != found.certificate:
                self._signer = signer_of(self._settings, self._database)
        except (LookupError, Trouble) as error:
            _log.error("signer.missing", reason=str(error))
