"""Certificates by CMP: ir, cr, p10cr and kur (RFC 9483 §4.1), polling for them (§4.4), and what is said of them at last.

Codes redeem; a terminal's own certificate renews, whatever of the four asks: a terminal has one certificate at a time.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca import certificates, hierarchy, issuers, requests
from ca.requests import RequestedKey
from enrollment import cmp_transactions
from enrollment.cmp_transactions import Outcome, Transaction
from enrollment.confirmations import Confirmations
from enrollment.interfaces import Interface
from enrollment.issuance import Retrieved
from enrollment.protocols.cmp import answers, bodies, oids, signatures
from enrollment.protocols.cmp.answers import Body, Status
from enrollment.protocols.cmp.bodies import CertificateRequest, Confirmation, Wishes
from enrollment.protocols.cmp.failures import FailInfo, Fault, info_of
from enrollment.protocols.cmp.messages import REQUESTS_OF_CERTIFICATES, Header, Kind, Message
from enrollment.protocols.cmp.senders import ByCertificate, ByCodes, Sender
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from kernel.database import Database
from kernel.errors import Refused, Unavailable

NONCE = 16
# Takes a refusal's code and facts, returns sentences for whoever sent the request.
Tell = Callable[[str, Mapping[str, object]], tuple[str, ...]]
_CMP_2021 = 3
_log = logging.getLogger(__name__)


def new_nonce() -> bytes:
    """Return a senderNonce (RFC 9483 §3.1: 128 random bits)."""
    return secrets.token_bytes(NONCE)


@dataclass(frozen=True)
class Said:
    """What is answered: the body, the nonce that the next message repeats, and certificates for extraCerts."""

    body: Body
    nonce: bytes = field(default_factory=new_nonce)
    certificates: tuple[bytes, ...] = ()
    is_confirmed: bool = False


@dataclass(frozen=True)
class Enrolment:
    """Gives certificates and hears what becomes of them."""

    database: Database
    redemption: Redemption
    renewal: Renewal
    confirmations: Confirmations
    tell: Tell

    def ask(self, kind: Kind, message: Message, sender: Sender, source: str, now: datetime) -> Said:
        """Answer ir, cr, p10cr or kur; raises Fault for what is wrong with the header, and Unavailable."""
        transaction_id = _first_of_transaction(message.header)
        is_confirmed = _asks_implicit_confirmation(message.header)
        try:
            wanted = self._wanted(kind, message, sender)
        except Fault as fault:
            _log.info("refused %s", fault.info.name)
            return _rejected(kind, fault.info, *fault.texts)
        except Refused as refusal:
            return self._refused(kind, refusal)
        transaction = Transaction(
            transaction_id, sender.owner, kind, new_nonce(), wanted.key.spki, is_confirmed=is_confirmed
        )  # fmt: skip
        if not cmp_transactions.begin(self.database, transaction, now):
            raise Fault(FailInfo.TRANSACTION_ID_IN_USE, "this transactionID was used before")
        try:
            return self._issue(transaction, wanted, sender, source, now)
        except Unavailable as trouble:
            _log.warning("unavailable: %s", trouble)
            # RFC 9483 §4.4: the sender may poll, nothing is lost.
            text = f"come again in {trouble.retry_after} seconds"
            told = answers.status_info(Status.WAITING, None, text)
            return Said(answers.not_issued(REQUESTS_OF_CERTIFICATES[kind], _request_id(kind), told), transaction.nonce)

    def poll(self, message: Message, sender: Sender, source: str, now: datetime) -> Said:
        """Answer pollReq; raises Fault and Unavailable."""
        asked = bodies.polled_request(message.body)
        transaction = self._under_way(message.header, sender)
        if transaction.serial is not None or transaction.outcome is not None or asked != _request_id(Kind(transaction.kind)):
            raise Fault(FailInfo.BAD_REQUEST, "nothing is waiting for this")
        wanted = CertificateRequest(requests.of_proven(load_der_public_key(transaction.spki)))
        try:
            return self._issue(transaction, wanted, sender, source, now)
        except Unavailable as trouble:
            _log.warning("unavailable: %s", trouble)
            nonce = new_nonce()
            cmp_transactions.wait(self.database, transaction.id, nonce)
            return Said(answers.poll_again(asked, trouble.retry_after), nonce)

    def confirm(self, message: Message, sender: Sender, now: datetime) -> Said:
        """Answer certConf; raises Fault, Refused and Unavailable."""
        said = bodies.confirmation(message.body)
        transaction = self._under_way(message.header, sender)
        if transaction.outcome is not None:
            raise Fault(FailInfo.CERT_CONFIRMED, "this transaction has ended")
        if transaction.issuer is None or transaction.serial is None:
            raise Fault(FailInfo.BAD_REQUEST, "there is nothing to confirm")
        if said.request_id not in {bodies.REQUEST_ID, _request_id(Kind(transaction.kind))}:
            raise Fault(FailInfo.BAD_REQUEST, "certReqId is another")
        self._require_hash(said, transaction.issuer, transaction.serial, message.header.version)
        outcome = self._hear(said, transaction.issuer, transaction.serial, sender)
        cmp_transactions.end(self.database, transaction.id, outcome, now)
        return Said(answers.confirmed())

    def give_up(self, message: Message, sender: Sender, now: datetime) -> Said:
        """Answer a sender's error: the transaction ends, and nothing else changes."""
        bodies.error(message.body)
        found = cmp_transactions.find(self.database, message.header.transaction or b"")
        if found is not None and found.owner == sender.owner:
            cmp_transactions.end(self.database, found.id, Outcome.GIVEN_UP, now)
        return Said(answers.confirmed())

    def _wanted(self, kind: Kind, message: Message, sender: Sender) -> CertificateRequest:
        if kind is Kind.KUR and not isinstance(sender, ByCertificate):
            raise Fault(FailInfo.WRONG_INTEGRITY, "kur must be signed by the certificate that it renews")
        if kind is Kind.P10CR:
            return bodies.pkcs10_request(message.body)
        wanted = bodies.certificate_request(message.body)
        if wanted.renews is not None and isinstance(sender, ByCertificate):
            present = sender.certificate
            if (wanted.renews.issuer, wanted.renews.serial) != (present.issuer.public_bytes(), present.serial_number):
                raise Fault(FailInfo.BAD_CERT_ID, "oldCertID must be the certificate that signs")
        self._require_authority(wanted.wishes)
        return wanted

    def _require_authority(self, wishes: Wishes) -> None:
        if wishes.issuer in (None, b"\x30\x00"):
            return
        with self.database.snapshot() as session:
            ours = {issuer.subject_der for issuer in issuers.load_all(session)}
        if wishes.issuer not in ours:
            raise Fault(FailInfo.WRONG_AUTHORITY, "the template names another authority")

    def _issue(
        self, transaction: Transaction, wanted: CertificateRequest, sender: Sender, source: str, now: datetime
    ) -> Said:  # fmt: skip
        kind = Kind(transaction.kind)
        try:
            retrieved = self._retrieve(wanted.key, sender, source, is_confirmed=transaction.is_confirmed)
        except Refused as refusal:
            cmp_transactions.forget(self.database, transaction.id)
            return self._refused(kind, refusal)
        record, nonce = retrieved.certificate, new_nonce()
        cmp_transactions.answer(self.database, transaction.id, (record.issuer, record.serial), nonce, now)
        der, chain = record.der or b"", tuple(issuer.der for issuer in retrieved.chain)
        # RFC 9483 §4.1.1: who shares a secret with us may learn the root from us; who has a certificate knows it.
        roots = self._roots(now) if isinstance(sender, ByCodes) else ()
        status = _status(wanted.wishes, der)
        body = answers.issued(REQUESTS_OF_CERTIFICATES[kind], _request_id(kind), der, status, roots)
        return Said(body, nonce, chain, is_confirmed=transaction.is_confirmed)

    def _retrieve(self, key: RequestedKey, sender: Sender, source: str, *, is_confirmed: bool) -> Retrieved:
        if isinstance(sender, ByCodes):
            return self.redemption.redeem(sender.proven.codes, key, source, Interface.CMP)
        return self.renewal.renew(sender.der, key, Interface.CMP, awaits_confirmation=not is_confirmed)

    def _roots(self, now: datetime) -> tuple[bytes, ...]:
        with self.database.snapshot() as session:
            return tuple(root.der for root in hierarchy.roots(session, now))

    def _refused(self, kind: Kind, refusal: Refused) -> Said:
        _log.info("refused %s", refusal.code)
        return _rejected(kind, info_of(refusal), *self.tell(refusal.code, refusal.facts))

    def _under_way(self, header: Header, sender: Sender) -> Transaction:
        """Return the transaction that a later message belongs to (RFC 9483 §3.5)."""
        found = cmp_transactions.find(self.database, header.transaction or b"")
        if found is None:
            raise Fault(FailInfo.BAD_REQUEST, "no transaction has this transactionID")
        if found.owner != sender.owner:
            same = found.owner.partition(":")[0] == sender.owner.partition(":")[0]
            info = FailInfo.BAD_MESSAGE_CHECK if same else FailInfo.WRONG_INTEGRITY
            raise Fault(info, "all messages of a transaction are protected alike")
        if not hmac.compare_digest(header.recipient_nonce or b"", found.nonce):
            raise Fault(FailInfo.BAD_RECIPIENT_NONCE, "recipNonce must be the senderNonce of our last answer")
        return found

    def _require_hash(self, said: Confirmation, issuer: str, serial: str, version: int) -> None:
        with self.database.snapshot() as session:
            record = certificates.find(session, issuer, serial)
        der = record.der if record is not None else None
        if der is None or not hmac.compare_digest(_hash(said, der, version), said.certificate_hash):
            raise Fault(FailInfo.BAD_CERT_ID, "certHash is not the certificate's")

    def _hear(self, said: Confirmation, issuer: str, serial: str, sender: Sender) -> Outcome:
        if not said.is_accepted:
            self.confirmations.reject(issuer, serial)
            return Outcome.REJECTED
        if isinstance(sender, ByCodes):
            # Whoever does not get our last word asks again, under the same codes: their copy goes a little later.
            return Outcome.ACCEPTED
        self.confirmations.confirm(issuer, serial)
        return Outcome.SETTLED


def _first_of_transaction(header: Header) -> bytes:
    if header.recipient_nonce is not None:
        raise Fault(FailInfo.BAD_RECIPIENT_NONCE, "the first message of a transaction has no recipNonce")
    return header.transaction or b""


def _asks_implicit_confirmation(header: Header) -> bool:
    asked = [one for one in header.general if one.oid == oids.IMPLICIT_CONFIRM]
    if any(one.value is not None for one in asked):
        raise Fault(FailInfo.BAD_REQUEST, "implicitConfirm has no value")
    if asked and any(one.oid == oids.CONFIRM_WAIT_TIME for one in header.general):
        raise Fault(FailInfo.BAD_REQUEST, "implicitConfirm and confirmWaitTime exclude each other")
    return bool(asked)


def _rejected(kind: Kind, info: FailInfo, *texts: str) -> Said:
    told = answers.status_info(Status.REJECTION, info, *texts)
    return Said(answers.not_issued(REQUESTS_OF_CERTIFICATES[kind], _request_id(kind), told))


def _request_id(kind: Kind) -> int:
    return bodies.PKCS10_ID if kind is Kind.P10CR else bodies.REQUEST_ID


def _status(wishes: Wishes, certificate: bytes) -> Status:
    """RFC 9810 §5.2.3: say so where the certificate is not all that was asked for."""
    subject = x509.load_der_x509_certificate(certificate).subject.public_bytes()
    is_granted = (
        wishes.subject in (None, b"\x30\x00", subject)
        and not wishes.validity
        and all(extension in certificate for extension in wishes.extensions)
    )
    return Status.ACCEPTED if is_granted else Status.GRANTED_WITH_MODS


def _hash(said: Confirmation, certificate: bytes, version: int) -> bytes:
    """RFC 9810 §5.3.18: by the hash of the certificate's signature, unless another is named, which is for cmp2021."""
    if said.hash_algorithm is not None:
        if version != _CMP_2021:
            raise Fault(FailInfo.BAD_REQUEST, "hashAlg is for pvno 3")
        algorithm: hashes.HashAlgorithm = signatures.hash_of(said.hash_algorithm.oid)
    else:
        # RFC 9481 §2.2's hash for Ed25519, which names none itself.
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm or hashes.SHA512()
    return hashlib.new(algorithm.name, certificate).digest()
