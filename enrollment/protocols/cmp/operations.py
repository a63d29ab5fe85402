"""What each kind of message does, in the order of RFC 9483 §3.5: who sends it, whether its header is in order, the deed.

Everything that gives a certificate ends in the one redemption or the one renewal function.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.certificates import CertificateState
from ca.revocation import TERMINAL_REASONS, Reason
from enrollment.cmp_transactions import KEPT, LONGEST_ID
from enrollment.ending import Endings
from enrollment.protocols.cmp import answers, bodies, messages, senders
from enrollment.protocols.cmp.answers import AnswerHeader, Body, Status
from enrollment.protocols.cmp.enrolment import NONCE, Enrolment, Said, Tell
from enrollment.protocols.cmp.failures import FailInfo, Fault, info_of
from enrollment.protocols.cmp.messages import REQUESTS_OF_CERTIFICATES, Header, Kind, Message, general_name
from enrollment.protocols.cmp.senders import Authentication, ByCertificate, Sender
from enrollment.protocols.cmp.signer import Signer
from enrollment.protocols.cmp.support import Support
from kernel import audit
from kernel.clock import Clock
from kernel.errors import Refused, Unavailable

# RFC 5280 §5.3.1's numbers of the reasons that a terminal may give.
_NUMBERS = {
    Reason.UNSPECIFIED: 0,
    Reason.KEY_COMPROMISE: 1,
    Reason.AFFILIATION_CHANGED: 3,
    Reason.SUPERSEDED: 4,
    Reason.CESSATION_OF_OPERATION: 5,
    Reason.PRIVILEGE_WITHDRAWN: 9,
}
REASONS = {_NUMBERS[reason]: reason for reason in TERMINAL_REASONS}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operations:
    """Answers messages. `signer` returns CMP's signer, or None where there is none."""

    clock: Clock
    authentication: Authentication
    enrolment: Enrolment
    endings: Endings
    support: Support
    signer: Callable[[], Signer | None]
    tell: Tell

    def answer(self, octets: bytes, source: str) -> bytes:
        """Answer a message; `source` is the caller's address.

        Raises NotCmp for what is none, and Unavailable when CMP's signer can not sign what is to be signed.
        """
        message = messages.read(octets)
        now = self.clock.now()
        sender: Sender | None = None
        try:
            kind = _kind(message)
            sender = self.authentication.sender(message, source, now)
            _require_header(message.header, now)
            said = self._said(kind, message, sender, source, now)
        except Fault as fault:
            _log.info("refused %s", fault.info.name)
            said = Said(answers.failed(fault.info, *fault.texts))
        except Refused as refusal:
            _log.info("refused %s", refusal.code)
            said = Said(answers.failed(info_of(refusal), *self.tell(refusal.code, refusal.facts)))
        except Unavailable as trouble:
            _log.warning("unavailable: %s", trouble)
            facts = {"retry_after": trouble.retry_after}
            said = Said(answers.failed(FailInfo.SYSTEM_UNAVAIL, *self.tell("unavailable", facts)))
        return self._written(message.header, said, sender, now)

    def broken(self, octets: bytes) -> bytes:
        """Answer a message over which something of ours broke. Raises NotCmp."""
        message = messages.read(octets)
        said = Said(answers.failed(FailInfo.SYSTEM_FAILURE, *self.tell("internal", {})))
        return self._written(message.header, said, None, self.clock.now())

    def _said(self, kind: Kind, message: Message, sender: Sender, source: str, now: datetime) -> Said:
        if kind in REQUESTS_OF_CERTIFICATES:
            return self.enrolment.ask(kind, message, sender, source, now)
        if kind is Kind.POLL_REQ:
            return self.enrolment.poll(message, sender, source, now)
        if kind is Kind.CERT_CONF:
            return self.enrolment.confirm(message, sender, now)
        if kind is Kind.ERROR:
            return self.enrolment.give_up(message, sender, now)
        if kind is Kind.RR:
            return Said(self._revoke(message, sender))
        return Said(answers.told_information(self.support.answer(bodies.questions(message.body), now)))

    def _revoke(self, message: Message, sender: Sender) -> Body:
        try:
            certificate = self._revoked(message, sender)
        except Fault as fault:
            _log.info("refused %s", fault.info.name)
            return answers.revoked(answers.status_info(Status.REJECTION, fault.info, *fault.texts))
        except Refused as refusal:
            _log.info("refused %s", refusal.code)
            told = answers.status_info(Status.REJECTION, info_of(refusal), *self.tell(refusal.code, refusal.facts))
            return answers.revoked(told)
        issuer = general_name(certificate.issuer.public_bytes())
        return answers.revoked(answers.status_info(Status.ACCEPTED, None, "revoked"), issuer, certificate.serial_number)

    def _revoked(self, message: Message, sender: Sender) -> x509.Certificate:
        """RFC 9483 §4.2: a certificate is revoked by its own key."""
        if not isinstance(sender, ByCertificate):
            raise Fault(FailInfo.WRONG_INTEGRITY, "rr must be signed by the certificate that it revokes")
        wanted = bodies.revocation(message.body)
        _require_own(wanted, sender)
        if wanted.reason not in REASONS:
            raise Fault(FailInfo.BAD_REQUEST, "a terminal can not give this reason")
        record, terminal = sender.identity.certificate, sender.identity.terminal.name
        is_ended = record.state == CertificateState.REVOKED
        if is_ended or not self.endings.revoke(
            terminal, REASONS[wanted.reason], audit.terminal(terminal), serial=record.serial
        ):  # fmt: skip
            raise Fault(FailInfo.CERT_REVOKED, "the certificate was revoked before")
        return sender.certificate

    def _written(self, asked: Header, said: Said, sender: Sender | None, now: datetime) -> bytes:
        signer = self.signer()
        header = AnswerHeader(
            version=asked.version if asked.version in messages.VERSIONS else max(messages.VERSIONS),
            sender=senders.name_of(signer),
            recipient=asked.sender,
            time=now,
            algorithm=None,
            sender_key=None,
            transaction=asked.transaction,
            sender_nonce=said.nonce,
            recipient_nonce=asked.sender_nonce,
            is_confirmed=said.is_confirmed,
        )
        return senders.protected(header, said.body, sender, signer, said.certificates)


def _kind(message: Message) -> Kind:
    """RFC 9483 §3.5: what is of another version is not read on."""
    if message.header.version not in messages.VERSIONS:
        raise Fault(FailInfo.UNSUPPORTED_VERSION, "pvno must be 2 or 3")
    return message.kind


def _require_header(header: Header, now: datetime) -> None:
    if not header.transaction or len(header.transaction) > LONGEST_ID:
        raise Fault(FailInfo.BAD_DATA_FORMAT, "transactionID is missing, or too long")
    if header.sender_nonce is None or len(header.sender_nonce) < NONCE:
        raise Fault(FailInfo.BAD_SENDER_NONCE, "senderNonce must have 128 bits or more")
    if header.time is not None and abs(header.time - now) > KEPT:
        raise Fault(FailInfo.BAD_TIME, "messageTime is too far from ours: set the clock")


def _require_own(wanted: bodies.Revocation, sender: ByCertificate) -> None:
    certificate = sender.certificate
    named = (wanted.certificate.issuer, wanted.certificate.serial)
    is_own = named == (certificate.issuer.public_bytes(), certificate.serial_number)
    is_same_subject = wanted.subject in (None, certificate.subject.public_bytes())
    if not (is_own and is_same_subject and wanted.spki in (None, _spki_of(certificate))):
        raise Fault(FailInfo.BAD_CERT_ID, "a certificate is revoked by its own key only")


def _spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
