"""Who sends a message, told by its protection (RFC 9810 §5.1.3, RFC 9483 §3.2), and how the answer is protected.

A secret is found by senderKID only: some clients name nobody as sender. A certificate must be a terminal's of ours, the
first of extraCerts (RFC 9483 §3.3); whether it is still good is for the deed to say that is asked for.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.issuers import asking_custody
from enrollment.identity import Identity, identify
from enrollment.mac_secrets import MacSecrets, Proven
from enrollment.protocols.cmp import answers, signatures
from enrollment.protocols.cmp.answers import AnswerHeader, Body
from enrollment.protocols.cmp.failures import FailInfo, Fault
from enrollment.protocols.cmp.macs import Mac, mac_of
from enrollment.protocols.cmp.messages import Algorithm, Message, general_name
from enrollment.protocols.cmp.signer import Signer
from kernel.database import Database
from keys.algorithms import algorithm_of

NOBODY = general_name(b"\x30\x00")


@dataclass(frozen=True)
class ByCodes:
    """A sender who knows the codes of a code set."""

    proven: Proven
    mac: Mac
    key: bytes = field(repr=False)

    @property
    def owner(self) -> str:
        """Whose a transaction is."""
        return f"codes:{self.proven.code_set_id}"


@dataclass(frozen=True)
class ByCertificate:
    """A terminal that signs by the key of a certificate of ours."""

    identity: Identity
    certificate: x509.Certificate
    der: bytes = field(repr=False)

    @property
    def owner(self) -> str:
        """Whose a transaction is."""
        issuer, serial = self.identity.name
        return f"certificate:{issuer}:{serial}"


Sender = ByCodes | ByCertificate


@dataclass(frozen=True)
class Authentication:
    """Tells who sends."""

    database: Database
    secrets: MacSecrets

    def sender(self, message: Message, source: str, now: datetime) -> Sender:
        """Return who protected a message; raises Fault, and Refused("codes-wrong"), "throttled", "certificate-foreign" …."""
        algorithm, protection = message.header.algorithm, message.protection
        if algorithm is None or protection is None:
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "the message is not protected")
        mac = mac_of(algorithm)
        if mac is not None:
            return self._by_codes(message, mac, protection, source, now)
        if signatures.is_known(algorithm):
            return self._by_certificate(message, algorithm, protection)
        raise Fault(FailInfo.BAD_ALG, "the protection algorithm is not supported")

    def _by_codes(self, message: Message, mac: Mac, protection: bytes, source: str, now: datetime) -> ByCodes:
        key = message.header.sender_key
        if key is None:
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "senderKID must be the access key")

        def protects(secret: bytes) -> bool:
            return hmac.compare_digest(mac.of(secret, message.protected_part), protection)

        proven = self.secrets.prove(key.decode("utf-8", "replace"), protects, source, now)
        return ByCodes(proven, mac, key)

    def _by_certificate(self, message: Message, algorithm: Algorithm, protection: bytes) -> ByCertificate:
        if not message.extra_certificates:
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "extraCerts must begin with the signer's certificate")
        der = message.extra_certificates[0]
        with self.database.snapshot() as session:
            identity = identify(session, der)
        certificate = x509.load_der_x509_certificate(der)
        if message.header.sender != general_name(certificate.subject.public_bytes()):
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "sender must be the subject of the signer's certificate")
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        if message.header.sender_key != identifier:
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "senderKID must be the key identifier of the signer's certificate")
        try:
            signatures.verify(certificate.public_key(), algorithm, protection, message.protected_part)
        except InvalidSignature:
            raise Fault(FailInfo.BAD_MESSAGE_CHECK, "the signature does not fit the message") from None
        return ByCertificate(identity, certificate, der)


def protected(header: AnswerHeader, body: Body, sender: Sender | None, signer: Signer | None, more: Sequence[bytes]) -> bytes:
    """Return an answer under the same protection as what it answers: the sender's secret, else our signer's signature.

    `more` are certificates for extraCerts. Without sender and signer the answer is not protected. Raises Unavailable while
    the custody of the signer's key does not answer.
    """
    if isinstance(sender, ByCodes):
        mac = sender.mac.renewed()
        header = replace(header, algorithm=mac.identifier, sender_key=sender.key)
        covered = answers.header_and_body(header, body)
        return answers.message(covered, mac.of(sender.proven.secret, answers.protected_part(covered)), more)
    if signer is None:
        return answers.message(answers.header_and_body(header, body), None, more)
    certificate = x509.load_der_x509_certificate(signer.certificate)
    algorithm = algorithm_of(signer.key.public_key())
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    header = replace(header, algorithm=algorithm.identifier, sender_key=identifier)
    covered = answers.header_and_body(header, body)
    with asking_custody():
        signature = algorithm.sign(signer.key, answers.protected_part(covered))
    certificates = dict.fromkeys((signer.certificate, *signer.chain, *more))
    return answers.message(covered, signature, tuple(certificates))


def name_of(signer: Signer | None) -> bytes:
    """Return who answers, as a GeneralName."""
    if signer is None:
        return NOBODY
    return general_name(x509.load_der_x509_certificate(signer.certificate).subject.public_bytes())
