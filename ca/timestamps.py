"""The time-stamping authority (RFC 3161, signing certificate by RFC 5816): request octets in, response octets out.

It stores nothing: a token proves itself (docs/decisions/0010-time-stamps-are-not-stored.md). asn1crypto's types stand in quotes:
a door loads them only when somebody asks for a stamp.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.der import SEQUENCE, tlv
from ca.issuers import asking_custody
from ca.profiles import new_serial
from ca.timestamp_requests import Imprint, TimestampRefused, TimestampRequest, read
from kernel.database import forbid_open_transaction
from keys.algorithms import SignatureAlgorithm, SigningKey, VerifyingKey, algorithm_of

# How far the clock of a server that follows the network time may be off.
ACCURACY = timedelta(seconds=1)


class AnswersStamps(Protocol):
    """What the door needs of a unit, whichever certificate that has now."""

    def answer(self, request: bytes, now: datetime) -> bytes:
        """Answer a request; never raises for what a client sent."""


@dataclass(frozen=True)
class TimestampUnit:
    """One time-stamping unit: a key that signs nothing else, its certificate, the CA certificates above it (no root).

    Raises ValueError at once when certificate and key do not belong together.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: SigningKey = field(repr=False)
    policy_oid: str
    accuracy: timedelta = ACCURACY

    def __post_init__(self) -> None:
        """Refuse a key that is not the certificate's."""
        if self.key.public_key() != self.certificate.public_key():
            raise ValueError("the key of the time-stamping unit does not match its certificate")

    def answer(self, request: bytes, now: datetime) -> bytes:
        """Answer a request; never raises for what a client sent."""
        try:
            return _granted(self._token(read(request), now))
        except TimestampRefused as refused:
            return _refused(refused)

    def stamp(self, imprint: Imprint, now: datetime) -> bytes:
        """Return a token (DER) for a document of our own, with certificates.

        Raises TimestampRefused("time_not_available") when the certificate is not valid now.
        """
        token: bytes = self._token(TimestampRequest(imprint, wants_certificates=True), now).dump()
        return token

    def _token(self, asked: TimestampRequest, now: datetime) -> "cms.ContentInfo":
        forbid_open_transaction()
        if asked.policy not in (None, self.policy_oid):
            raise TimestampRefused("unaccepted_policy", f"the policy here is {self.policy_oid}")
        if not self.certificate.not_valid_before_utc <= now <= self.certificate.not_valid_after_utc:
            # What would be signed now, nobody could verify: clock or certificate is wrong.
            raise TimestampRefused("time_not_available", "the unit's certificate is not valid at this time")
        content = self._content(asked, now).dump()
        attributes = self._signed_attributes(content)
        to_sign = attributes.dump()
        signed = {
            "version": "v3",  # RFC 5652 §5.1: the content is no plain data
            "digest_algorithms": [self._digest_algorithm],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": cms.SignerIdentifier({"issuer_and_serial_number": self._issuer_and_serial}),
                    "digest_algorithm": self._digest_algorithm,
                    "signed_attrs": attributes,
                    "signature_algorithm": algos.SignedDigestAlgorithm.load(self._algorithm.identifier),
                    "signature": self._sign(to_sign),
                }
            ],
        }
        if asked.wants_certificates:
            signed["certificates"] = [self._own, *(_parsed(above) for above in self.chain)]
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})

    def _content(self, asked: TimestampRequest, now: datetime) -> "tsp.TSTInfo":
        """Return RFC 3161 §2.4.2's TSTInfo.

        `ordering` keeps its default, false: several processes stamp at once, so two tokens whose times lie closer together
        than the accuracy allows have no order.
        """
        seconds, millis = divmod(self.accuracy // timedelta(milliseconds=1), 1_000)
        accuracy = {"seconds": seconds} | ({"millis": millis} if millis else {})
        content: dict[str, object] = {
            "version": "v1",
            "policy": self.policy_oid,
            "message_imprint": asked.imprint.encoded(),
            "serial_number": new_serial(),
            "gen_time": now.replace(microsecond=now.microsecond // 1_000 * 1_000),
            "accuracy": accuracy,
        }
        if asked.nonce is not None:
            content["nonce"] = asked.nonce
        return tsp.TSTInfo(content)

    def _signed_attributes(self, content: bytes) -> "cms.CMSAttributes":
        digest = hashlib.new(self._digest, content).digest()
        return cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
                # RFC 5816 §2.2.1: names the certificate, so that no other one of the same key can take its place.
                cms.CMSAttribute({"type": "signing_certificate_v2", "values": [self._signing_certificate]}),
            ]
        )

    def _sign(self, octets: bytes) -> bytes:
        """Sign and verify what was signed, as the issuers do; raises Unavailable while the key's custody does not answer."""
        public_key: VerifyingKey = self.key.public_key()
        with asking_custody():
            signature = self._algorithm.sign(self.key, octets)
        self._algorithm.verify(public_key, signature, octets)
        return signature

    @cached_property
    def _algorithm(self) -> SignatureAlgorithm:
        return algorithm_of(self.key.public_key())

    @property
    def _digest(self) -> str:
        # RFC 8419 §3 for Ed25519, RFC 9882 §3.3 for ML-DSA: algorithms that hash by themselves go with SHA-512.
        return self._algorithm.hash.name if self._algorithm.hash else "sha512"

    @property
    def _digest_algorithm(self) -> "cms.DigestAlgorithm":
        return cms.DigestAlgorithm({"algorithm": self._digest})

    @cached_property
    def _own(self) -> "asn1_x509.Certificate":
        return _parsed(self.certificate)

    @property
    def _issuer_and_serial(self) -> "cms.IssuerAndSerialNumber":
        return cms.IssuerAndSerialNumber({"issuer": self._own.issuer, "serial_number": self._own.serial_number})

    @property
    def _signing_certificate(self) -> "tsp.SigningCertificateV2":
        issuer = asn1_x509.GeneralName("directory_name", self._own.issuer)
        named = {
            # The hash algorithm is the default, SHA-256 (RFC 5035 §4).
            "cert_hash": hashlib.sha256(self._own.dump()).digest(),
            "issuer_serial": {"issuer": [issuer], "serial_number": self._own.serial_number},
        }
        return tsp.SigningCertificateV2({"certs": [named]})


def _granted(token: "cms.ContentInfo") -> bytes:
    return _response({"status": "granted"}, token.dump())


def _refused(refused: TimestampRefused) -> bytes:
    status = {"status": "rejection", "status_string": [refused.text], "fail_info": {refused.failure}}
    return _response(status)


def _response(status: Mapping[str, object], token: bytes = b"") -> bytes:
    """Return RFC 3161 §2.4.2's TimeStampResp; asn1crypto's own one does not know that a refusal has no token."""
    return tlv(SEQUENCE, tsp.PKIStatusInfo(status).dump() + token)


def _parsed(certificate: x509.Certificate) -> "asn1_x509.Certificate":
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
