"""A terminal certificate's TBS, written into a skeleton: everything that issuer and profile decide is encoded once.

Only serial, dates, subject, public key, its identifier, the terminal's URI and the CRLs' addresses vary. It replaces
pyca's builder on the hot path and is compared with it to the octet in the tests; pyca stays the reference.
"""

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from ca import der
from ca.der import (
    BIT_STRING,
    BOOLEAN,
    OCTET_STRING,
    PRINTABLE_STRING,
    SEQUENCE,
    SET,
    UTF8_STRING,
    content,
    elements,
    integer,
    time,
    tlv,
)
from ca.issuers import Issuer
from ca.profiles import Subject, TerminalProfile, Validity

_VERSION_3 = bytes.fromhex("a003020102")
_EXPLICIT_EXTENSIONS, _NAME_CHOICE, _FULL_NAME, _URI = 0xA3, 0xA0, 0xA0, 0x86
_TRUE = tlv(BOOLEAN, b"\xff")


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    return der.oid(oid.dotted_string)


def _extension(oid: x509.ObjectIdentifier, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(SEQUENCE, _oid(oid) + (_TRUE if critical else b"") + tlv(OCTET_STRING, value))


_COUNTRY = tlv(SET, tlv(SEQUENCE, _oid(NameOID.COUNTRY_NAME) + tlv(PRINTABLE_STRING, b"JP")))
_ORGANIZATION, _UNIT, _COMMON_NAME = (
    _oid(oid) for oid in (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
)
_KEY_IDENTIFIER, _ALTERNATIVE_NAME, _CRL_ADDRESS, _FRESHEST_CRL = (
    _oid(oid)
    for oid in (
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
    )
)


@dataclass(frozen=True)
class TerminalTemplate:
    """The skeleton for one issuer and one profile: what stands before, between and after the variable extensions."""

    head: bytes  # signature algorithm and issuer
    before_key_identifier: bytes
    before_alternative_name: bytes
    after_crl_addresses: bytes
    san_prefix: bytes
    crl_addresses: "_CrlAddresses"

    def tbs(self, serial: int, validity: Validity, subject: Subject, spki: bytes, partition: int = 0) -> bytes:
        """Return the TBSCertificate (RFC 5280 §4.1). `spki` is the SubjectPublicKeyInfo in DER."""
        uri = tlv(_URI, self.san_prefix + subject.terminal.encode("ascii"))
        key_identifier = hashlib.sha1(public_key_bits(spki), usedforsecurity=False).digest()
        extensions = tlv(
            SEQUENCE,
            self.before_key_identifier
            + tlv(SEQUENCE, _KEY_IDENTIFIER + tlv(OCTET_STRING, tlv(OCTET_STRING, key_identifier)))
            + self.before_alternative_name
            + tlv(SEQUENCE, _ALTERNATIVE_NAME + tlv(OCTET_STRING, tlv(SEQUENCE, uri)))
            + self.crl_addresses.extensions(partition)
            + self.after_crl_addresses,
        )
        return tlv(
            SEQUENCE,
            _VERSION_3
            + integer(serial)
            + self.head
            + tlv(SEQUENCE, time(validity.not_before) + time(validity.not_after))
            + _name(subject)
            + spki
            + tlv(_EXPLICIT_EXTENSIONS, extensions),
        )


class _CrlAddresses:
    """The extensions that name CRLs, by partition; each is encoded once."""

    def __init__(self, issuer: str, profile: TerminalProfile) -> None:
        self._issuer, self._profile = issuer, profile
        self._extensions: dict[int, bytes] = {}

    def extensions(self, partition: int) -> bytes:
        """Return where the list is (RFC 5280 §4.2.1.13), and its delta (§4.2.1.15) where the profile has such."""
        known = self._extensions.get(partition)
        if known is None:
            addresses = self._profile.addresses
            known = _points(_CRL_ADDRESS, addresses.crl(self._issuer, partition))
            if self._profile.delta:
                known += _points(_FRESHEST_CRL, addresses.crl(self._issuer, partition, delta=True))
            self._extensions[partition] = known
        return known


def _points(oid: bytes, url: str) -> bytes:
    point = tlv(SEQUENCE, tlv(_NAME_CHOICE, tlv(_FULL_NAME, tlv(_URI, url.encode("ascii")))))
    return tlv(SEQUENCE, oid + tlv(OCTET_STRING, tlv(SEQUENCE, point)))


def template_of(issuer: Issuer, profile: TerminalProfile) -> TerminalTemplate:
    """Encode what issuer and profile decide, with pyca's own encoders of the single extensions."""
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier)
    usage, extended_usage, policies = profile.key_usage, profile.extended_key_usage, profile.policies
    information = profile.authority_information(issuer.name)
    return TerminalTemplate(
        head=issuer.algorithm.identifier + issuer.subject_der,
        before_key_identifier=_extension(authority_key.oid, authority_key.public_bytes()),
        before_alternative_name=_extension(usage.oid, usage.public_bytes(), critical=True)
        + _extension(extended_usage.oid, extended_usage.public_bytes())
        + _extension(policies.oid, policies.public_bytes()),
        after_crl_addresses=_extension(information.oid, information.public_bytes()),
        san_prefix=profile.san_prefix.encode("ascii"),
        crl_addresses=_CrlAddresses(issuer.name, profile),
    )


def public_key_bits(spki: bytes) -> bytes:
    """Return the subjectPublicKey's octets, of which key identifiers are hashes (RFC 5280 §4.2.1.2)."""
    *_, bits = elements(spki)
    if bits[0] != BIT_STRING:
        raise ValueError("no public key")
    return content(bits)[1:]


def _name(subject: Subject) -> bytes:
    return tlv(
        SEQUENCE,
        _COUNTRY
        + _attribute(_ORGANIZATION, subject.organization)
        + _attribute(_UNIT, subject.office_code)
        + _attribute(_COMMON_NAME, subject.terminal),
    )


def _attribute(oid: bytes, value: str) -> bytes:
    return tlv(SET, tlv(SEQUENCE, oid + tlv(UTF8_STRING, value.encode())))
