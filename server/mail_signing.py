"""What signs the mails, for the job that delivers them: the key and the certificate of the day."""

import time
from threading import Lock

from cryptography import x509

from ca import certificates, issuers
from ca.mail_signatures import MailSigner
from ca.plan import MAIL
from ca.services import Service, service
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Unavailable
from server import logs
from server.custody import Custody
from server.settings import Settings
from server.trouble import Trouble

LOOK_EACH = 60.0  # seconds
_log = logs.logger("server.mail_signing")


class MailSigning:
    """Signs what leaves. A renewed certificate is taken up within `look_each` seconds.

    Mails leave unsigned, with a warning in the log, only where the ceremony made nothing that signs for the address that mails
    come from: a signature of somebody else would look like a forgery.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock, look_each: float = LOOK_EACH) -> None:
        self._settings, self._database, self._clock, self._look_each = settings, database, clock, look_each
        self._lock = Lock()
        self._looked_at: float | None = None
        self._service: Service | None = None
        self._signer: MailSigner | None = None

    def __call__(self, content: bytes) -> bytes | None:
        """Return the detached signature of an entity, None where nothing signs.

        Raises Unavailable while the key is away or missing: mails wait for it.
        """
        with self._lock:
            if self._looked_at is None or time.monotonic() - self._looked_at > self._look_each:
                self._look()
                self._looked_at = time.monotonic()
            signer = self._signer
        return signer.sign(content, self._clock.now()) if signer is not None else None

    def _look(self) -> None:
        try:
            found = service(self._database, MAIL)
        except LookupError as error:
            _log.warning("mail.unsigned", reason=f"{error}; docs/mails.md says what to add to the ceremony's file")
            self._service = self._signer = None
            return
        if found == self._service:
            return
        signer = self._opened(found)
        if self._settings.mail_from.casefold() not in signer.addresses:
            reason = f"mails come from {self._settings.mail_from}, and the certificate is for {', '.join(signer.addresses)}"
            _log.warning("mail.unsigned", reason=reason)
            self._service, self._signer = None, None
            return
        self._service, self._signer = found, signer

    def _opened(self, found: Service) -> MailSigner:
        with self._database.snapshot() as session:
            above = certificates.identify(session, found.certificate).issuer
            chain = tuple(issuer.certificate for issuer in issuers.chain(session, above or ""))
        certificate = x509.load_der_x509_certificate(found.certificate)
        try:
            return MailSigner(certificate, chain, Custody(self._settings).expected(found.key_name, certificate.public_key()))
        except Trouble as trouble:
            raise Unavailable(f"the key that signs mails: {trouble}") from trouble
