"""The check of a complete TBS against its profile before it may be signed, by another parser than what wrote it.

The template writes octets; here pyca's strict DER parser (Rust) reads them again, and every field is compared with what
profile, subject and validity policy say. pkilint judges the same certificates afterwards
(docs/decisions/0004-own-lint-on-the-hot-path.md).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from ca.der import OCTET_STRING, SEQUENCE, content, elements, tlv
from ca.issuers import Issuer
from ca.profiles import Subject, TerminalProfile, Validity
from ca.signing import join

SERIAL_OCTETS = 20  # RFC 5280 §4.1.2.2
_VERSION_3 = bytes.fromhex("a003020102")
_FIELDS = 8  # version … extensions, without the two unique identifiers
# How findings call the profile's extensions.
_EXTENSIONS = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authority_key_identifier",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "key_identifier",
    ExtensionOID.KEY_USAGE: "key_usage",
    ExtensionOID.EXTENDED_KEY_USAGE: "extended_key_usage",
    ExtensionOID.CERTIFICATE_POLICIES: "certificate_policies",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "subject_alt_name",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "crl_distribution_points",
    ExtensionOID.FRESHEST_CRL: "freshest_crl",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authority_information_access",
}
_CRITICAL = "key_usage"
_KEY, _NAME = ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.SUBJECT_ALTERNATIVE_NAME


class LintError(Exception):
    """We built something that our own profile forbids: a fault of ours, nothing may be signed.

    `findings` name fields, never their content.
    """

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


@dataclass(frozen=True)
class Expectation:
    """What the certificate is meant to say."""

    issuer: Issuer
    profile: TerminalProfile
    subject: Subject
    validity: Validity
    spki_sha256: bytes
    partition: int = 0


def check(tbs: bytes, expected: Expectation) -> None:
    """Raise LintError with every difference between the bytes and what was meant."""
    try:
        findings = list(_findings(tbs, expected))
    except x509.DuplicateExtension as error:
        findings = [f"extensions are there twice: {error.oid.dotted_string}"]
    except (ValueError, x509.InvalidVersion):
        findings = ["it is not a TBSCertificate in DER"]
    if findings:
        raise LintError(findings)


def _findings(tbs: bytes, expected: Expectation) -> Iterator[str]:
    identifier = expected.issuer.algorithm.identifier
    fields = list(elements(tbs))
    if len(fields) != _FIELDS:
        yield "fields are missing, or there are unique identifiers (RFC 5280 §4.1.2.8)"
        return
    version, serial, algorithm, issuer, _, subject, spki, extensions = fields
    if version != _VERSION_3:
        yield "version is not 3"
    if algorithm != identifier:
        yield "signature algorithm is not the issuing CA's"
        return
    if issuer != expected.issuer.subject_der:
        yield "issuer is not the issuing CA's subject"
    if subject != expected.subject.name().public_bytes():
        yield "subject is not the terminal"
    if hashlib.sha256(spki).digest() != expected.spki_sha256:
        yield "public key is not the requested one"
    if not int.from_bytes(content(serial), "big", signed=True) > 0 or len(content(serial)) > SERIAL_OCTETS:
        yield "serial number is not a positive one of 20 octets or fewer"
        return
    certificate = x509.load_der_x509_certificate(join(tbs, identifier, b"\x00"))
    dates = Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    if dates != expected.validity:
        yield "validity differs from the policy's"
    if dates.not_after > expected.issuer.certificate.not_valid_after_utc:
        yield "it would outlive its issuing CA"
    yield from _extension_findings(extensions, spki, certificate, expected)


def _extension_findings(written: bytes, spki: bytes, certificate: x509.Certificate, expected: Expectation) -> Iterator[str]:
    """Compare octets, as DER has one form for each value; take them apart only to say what the matter is."""
    before, between, after = _constant_octets(expected.issuer, expected.profile, expected.partition)
    key, name = _own(spki, expected)
    if content(content(written)) == before + _octets(_KEY, key) + between + _octets(_NAME, name) + after:
        return
    authority_key, usage, purposes, policies, *rest = _constant(expected.issuer, expected.profile, expected.partition)
    wanted = (authority_key, key, usage, purposes, policies, name, *rest)
    extensions = list(certificate.extensions)
    if [extension.oid for extension in extensions] != [value.oid for value in wanted]:
        yield f"extensions are {[extension.oid.dotted_string for extension in extensions]}"
        return
    yield "extensions are not what the profile says"
    for extension, value in zip(extensions, wanted, strict=True):
        what = _EXTENSIONS[value.oid]
        if extension.critical != (what == _CRITICAL):
            yield f"{what} is wrongly marked critical or not"
        if extension.value != value:
            yield f"{what} has another value"


def _own(spki: bytes, expected: Expectation) -> tuple[x509.SubjectKeyIdentifier, x509.SubjectAlternativeName]:
    """Return what the extensions must say that are the terminal's own."""
    _, bits = elements(spki)
    digest = hashlib.sha1(content(bits)[1:], usedforsecurity=False).digest()  # RFC 5280 §4.2.1.2 (1)
    uri = x509.UniformResourceIdentifier(expected.profile.san_prefix + expected.subject.terminal)
    return x509.SubjectKeyIdentifier(digest), x509.SubjectAlternativeName([uri])


def _constant(issuer: Issuer, profile: TerminalProfile, partition: int) -> tuple[x509.ExtensionType, ...]:
    """Return what the other extensions must say, in their order; written out here, and not taken from what wrote them."""
    addresses, uri = profile.addresses, x509.UniformResourceIdentifier
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri(addresses.ocsp())),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri(addresses.certificate(issuer.name))),
    ]
    lists: list[x509.ExtensionType] = [x509.CRLDistributionPoints([_point(addresses.crl(issuer.name, partition))])]
    if profile.delta:
        lists.append(x509.FreshestCRL([_point(addresses.crl(issuer.name, partition, delta=True))]))
    return (
        x509.AuthorityKeyIdentifier(issuer.key_identifier.digest, None, None),
        profile.key_usage,
        profile.extended_key_usage,
        profile.policies,
        *lists,
        x509.AuthorityInformationAccess(access),
    )


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


@lru_cache(maxsize=64)
def _constant_octets(issuer: Issuer, profile: TerminalProfile, partition: int) -> tuple[bytes, bytes, bytes]:
    """Return the encoded extensions before the key identifier, between it and the terminal's name, and after that."""
    encoded = [
        asn1_x509.Extension(
            {
                "extn_id": value.oid.dotted_string,
                "critical": isinstance(value, x509.KeyUsage),
                "extn_value": core.ParsableOctetString(value.public_bytes()),
            }
        ).dump()
        for value in _constant(issuer, profile, partition)
    ]
    return encoded[0], b"".join(encoded[1:4]), b"".join(encoded[4:])


def _octets(oid: x509.ObjectIdentifier, value: x509.ExtensionType) -> bytes:
    return tlv(SEQUENCE, _oid(oid) + tlv(OCTET_STRING, value.public_bytes()))


@cache
def _oid(oid: x509.ObjectIdentifier) -> bytes:
    encoded: bytes = core.ObjectIdentifier(oid.dotted_string).dump()
    return encoded
