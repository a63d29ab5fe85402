"""Signing what leaves by mail: detached signatures of S/MIME 4.0 (RFC 8551 §3.5.3, CMS by RFC 5652), with the certificates.

The key signs through `keys.algorithms`, so it may be a token's, and what it signed is verified before it leaves.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from asn1crypto import algos, cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.issuers import asking_custody
from kernel.database import forbid_open_transaction
from keys.algorithms import SignatureAlgorithm, SigningKey, VerifyingKey, algorithm_of

# RFC 5754 §2.2, §3.2: whatever the signature hashes with, the message's own digest is SHA-256, which every mail program knows.
DIGEST = "sha256"
MICALG = "sha-256"  # RFC 8551 §3.5.3.2


@dataclass(frozen=True)
class MailSigner:
    """The mails' signing certificate with its key, and the CA certificates above it (no root).

    Raises ValueError at once when certificate and key do not belong together.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that is not the certificate's."""
        if self.key.public_key() != self.certificate.public_key():
            raise ValueError("the key of the mails' signer does not match its certificate")

    @cached_property
    def addresses(self) -> frozenset[str]:
        """The addresses, in small letters, whose mails it may sign: receivers compare them with the sender (RFC 8550 §3)."""
        try:
            names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return frozenset()
        return frozenset(name.casefold() for name in names.get_values_for_type(x509.RFC822Name))

    def sign(self, content: bytes, now: datetime) -> bytes:
        """Return the detached signature (DER) of an entity in its canonical form, with CRLF at the line ends.

        Raises Unavailable while the key's custody does not answer.
        """
        forbid_open_transaction()
        attributes = self._attributes(content, now)
        signed = {
            "version": "v1",  # RFC 5652 §5.1: the content is plain data, the signer is named by issuer and serial
            "digest_algorithms": [cms.DigestAlgorithm({"algorithm": DIGEST})],
            "encap_content_info": {"content_type": "data"},
            "certificates": [self._own, *(_parsed(above) for above in self.chain)],
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": cms.SignerIdentifier({"issuer_and_serial_number": self._issuer_and_serial}),
                    "digest_algorithm": {"algorithm": DIGEST},
                    "signed_attrs": attributes,
                    "signature_algorithm": algos.SignedDigestAlgorithm.load(self._algorithm.identifier),
                    "signature": self._sign(attributes.dump()),
                }
            ],
        }
        encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump()
        return encoded

    def _attributes(self, content: bytes, now: datetime) -> cms.CMSAttributes:
        digest = hashlib.new(DIGEST, content).digest()
        return cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
                cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": now.replace(microsecond=0)})]}),
                cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
                # RFC 5035 §3: names the certificate, so that no other one of the same key can take its place.
                cms.CMSAttribute({"type": "signing_certificate_v2", "values": [self._signing_certificate]}),
            ]
        )

    def _sign(self, octets: bytes) -> bytes:
        public_key: VerifyingKey = self.key.public_key()
        with asking_custody():
            signature = self._algorithm.sign(self.key, octets)
        # A faulty device must not put a broken signature into the world.
        self._algorithm.verify(public_key, signature, octets)
        return signature

    @cached_property
    def _algorithm(self) -> SignatureAlgorithm:
        return algorithm_of(self.key.public_key())

    @cached_property
    def _own(self) -> asn1_x509.Certificate:
        return _parsed(self.certificate)

    @property
    def _issuer_and_serial(self) -> cms.IssuerAndSerialNumber:
        return cms.IssuerAndSerialNumber({"issuer": self._own.issuer, "serial_number": self._own.serial_number})

    @property
    def _signing_certificate(self) -> tsp.SigningCertificateV2:
        # Without issuer and serial, which the signed octets have beside it; the hash is SHA-256, the default.
        return tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(self._own.dump()).digest()}]})


def _parsed(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
