"""What SCEP does for each message (RFC 8894 §3.3), and what it tells of the authority (§3.5, §4). No HTTP here.

Nothing waits for a person between a request and its certificate, so no answer is PENDING; CertPoll is answered all the same,
for clients that lost an answer.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.orm import Session

from ca import certificates, hierarchy, issuers
from ca.certificates import CertificateRecord, CertificateState
from ca.crl import crl_file
from ca.requests import spki_digest
from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.interfaces import Interface
from enrollment.protocols.scep import cms, messages
from enrollment.protocols.scep.failures import FailInfo, ScepFault, bad_message, fault_of
from enrollment.protocols.scep.kinds import MessageType
from enrollment.redemption import Redemption
from enrollment.renewal import Renewal
from kernel.database import Database
from kernel.errors import Refused

# RFC 8894 §3.5.2: what every client that was tried reads, in its words.
CAPABILITIES = (
    "AES",
    "DES3",
    "SHA-1",
    "SHA-256",
    "SHA-384",
    "SHA-512",
    "POSTPKIOperation",
    "SCEPStandard",
    "Renewal",
)
# How far a client's clock may be away (badTime). Generous: it says nothing of the request, and PCs' clocks are bad.
CLOCK_TOLERANCE = timedelta(days=1)
# Longer lists are for their distribution point (RFC 8894 §2.7 prefers it anyway).
LARGEST_LIST = 1_048_576
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistrationAuthority:
    """The certificate that requests are encrypted to, and answers signed with; its key is RSA."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True)
class _Asked:
    """What was asked for, by whom, from where and when; `content` was in the envelope."""

    signer: "cms.Signer"
    content: bytes = field(repr=False)
    source: str
    now: datetime


@dataclass(frozen=True)
class Operations:
    """SCEP's operations. `registration` returns the registration authority as it is now."""

    database: Database
    redemption: Redemption
    renewal: Renewal
    registration: Callable[[], RegistrationAuthority]
    crl_folder: Path

    def answer(self, encoded: bytes, source: str) -> bytes:
        """Return the CertRep to a pkiMessage (§3.3.2).

        Raises MalformedError for what has no transaction that could be answered, and Unavailable.
        """
        message, authority = messages.read(encoded), self.registration()
        by = cms.Signing(authority.certificate, authority.key, message.transaction.digest)
        try:
            return messages.success(self._carry_out(message, authority, source), message.transaction, by)
        except Refused as refusal:
            _log.info("refused %s", refusal.code)
            return messages.failure(fault_of(refusal), message.transaction, by)
        except ScepFault as fault:
            _log.info("refused %s", fault.fail_info.name)
            return messages.failure(fault, message.transaction, by)

    def ca_certificates(self) -> bytes:
        """Return GetCACert's certificates (§4.2.1.2): the registration authority's and those above it."""
        now = self.redemption.clock.now()
        with self.database.snapshot() as session:
            above = [issuer.certificate for issuer in hierarchy.authorities(session, now)]
        return cms.without_message([self.registration().certificate, *above])

    def next_ca_certificates(self) -> bytes | None:
        """Return GetNextCACert's certificates (§4.6.1), signed; None while no issuing CA waits for its turn."""
        now = self.redemption.clock.now()
        with self.database.snapshot() as session:
            coming = hierarchy.successor(session, now)
        if coming is None:
            return None
        authority = self.registration()
        content = cms.without_message([coming.certificate])
        return cms.signed(content, {}, cms.Signing(authority.certificate, authority.key, "sha256"))

    def _carry_out(self, message: "messages.PkiMessage", authority: RegistrationAuthority, source: str) -> bytes:
        signer, now = message.verify(), self.redemption.clock.now()
        deed = _DEEDS[message.message_type]
        said = message.signing_time
        if said is not None and (not isinstance(said, datetime) or abs(said - now) > CLOCK_TOLERANCE):
            raise ScepFault(FailInfo.BAD_TIME, "signingTime is more than a day away: set the computer's clock.")
        envelope = message.envelope(authority.certificate)
        content = deed(self, _Asked(signer, envelope.open(authority.key), source, now))
        return cms.envelope(content, signer, envelope.cipher)

    def _enroll(self, asked: _Asked) -> bytes:
        """PKCSReq (§3.3.1): the challengePassword says who asks."""
        enrolment = messages.enrolment(asked.content)
        # §2.3: who signs the message holds the key that is to be certified. A key that can not decrypt the answer
        # (elliptic curves) proves itself in the request, and an RSA key made for this message signs around it.
        if isinstance(enrolment.public_key, rsa.RSAPublicKey) and enrolment.public_key != asked.signer.public_key:
            raise bad_message()
        retrieved = self.redemption.redeem(_codes(enrolment.challenge), enrolment.request, asked.source, Interface.SCEP)
        return _certificate(retrieved.certificate)

    def _renew(self, asked: _Asked) -> bytes:
        """RenewalReq (§3.3.1.1): the current certificate says who asks; possession of the new key is proven in the request."""
        enrolment = messages.enrolment(asked.content)
        return _certificate(self.renewal.renew(asked.signer.certificate, enrolment.request, Interface.SCEP).certificate)

    def _poll(self, asked: _Asked) -> bytes:
        """CertPoll (§3.3.3): the certificate of the key that signed, where there is one."""
        messages.require_poll(asked.content)
        with self.database.snapshot() as session:
            found = certificates.of_key(session, spki_digest(asked.signer.public_key))
        if found is None or found.state == CertificateState.RESERVED:
            raise ScepFault(FailInfo.BAD_CERT_ID, "There is no certificate for this key yet: send PKCSReq again.")
        if found.state != CertificateState.VALID:
            raise Refused("certificate-held" if found.state == CertificateState.HELD else "certificate-revoked")
        return _certificate(found)

    def _give_certificate(self, asked: _Asked) -> bytes:
        """GetCert (§3.3.4): a terminal's certificates are told to whoever holds one of them, and to nobody else."""
        issuer, serial = messages.asked_certificate(asked.content)
        with self.database.snapshot() as session:
            name = _issuer_name(session, issuer)
            wanted = certificates.find(session, name, certificates.serial_text(serial)) if name and serial > 0 else None
            holder = certificates.of_key(session, spki_digest(asked.signer.public_key))
        if wanted is None or holder is None or wanted.der is None or wanted.subject != holder.subject:
            raise ScepFault(FailInfo.BAD_CERT_ID, "There is no such certificate of this terminal.")
        return _certificate(wanted)

    def _give_list(self, asked: _Asked) -> bytes:
        """GetCRL (§3.3.4): the list that the certificate names, or its issuer's complete one."""
        issuer, serial = messages.asked_certificate(asked.content)
        with self.database.snapshot() as session:
            name = _issuer_name(session, issuer)
            found = certificates.find(session, name, certificates.serial_text(serial)) if name and serial > 0 else None
        if name is None:
            raise ScepFault(FailInfo.BAD_CERT_ID, "The issuer is none of ours.")
        file = crl_file(self.crl_folder, _list_name(found, name))
        if not file.is_file() or file.stat().st_size > LARGEST_LIST:
            raise ScepFault(FailInfo.BAD_REQUEST, "Fetch the list from the CRL distribution point in the certificate.")
        return cms.without_message([], [file.read_bytes()])


_DEEDS: dict[MessageType, Callable[[Operations, _Asked], bytes]] = {
    MessageType.PKCS_REQ: Operations._enroll,  # noqa: SLF001 (its own table)
    MessageType.RENEWAL_REQ: Operations._renew,  # noqa: SLF001
    MessageType.CERT_POLL: Operations._poll,  # noqa: SLF001
    MessageType.GET_CERT: Operations._give_certificate,  # noqa: SLF001
    MessageType.GET_CRL: Operations._give_list,  # noqa: SLF001
}


def _codes(challenge: str) -> Codes:
    access_key, _, secret = challenge.partition("-")
    return code_rules.typed_as_one(access_key, secret)


def _certificate(record: CertificateRecord) -> bytes:
    """Return the issued certificate and no other (§3.3.2.1): old clients take the first that they find."""
    return cms.without_message([x509.load_der_x509_certificate(record.der or b"")])


def _issuer_name(session: Session, name: bytes) -> str | None:
    return next((one.name for one in issuers.load_all(session) if one.subject_der == name), None)


def _list_name(record: CertificateRecord | None, issuer: str) -> str:
    """Return the name of the list in a certificate's distribution point."""
    if record is None or record.der is None:
        return issuer
    try:
        points = x509.load_der_x509_certificate(record.der).extensions.get_extension_for_class(x509.CRLDistributionPoints)
        [address] = points.value[0].full_name or []
    except (x509.ExtensionNotFound, ValueError):
        return issuer
    return PurePosixPath(urlsplit(address.value).path).stem
