"""The check of a complete TBS against its profile before it may be signed, by another parser than the one that built it.

It is fast enough for the path to the signature; pkilint runs over the same certificates in the tests
(docs/decisions/0004-own-lint-on-the-hot-path.md).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509 as asn1_x509

from ca.issuers import Issuer
from ca.profiles import Addresses, Subject, TerminalProfile, Validity

SERIAL_OCTETS = 20  # RFC 5280 §4.1.2.2
_CRITICAL = {
    "authority_key_identifier": False,
    "key_identifier": False,
    "key_usage": True,
    "extended_key_usage": False,
    "certificate_policies": False,
    "subject_alt_name": False,
    "crl_distribution_points": False,
    "authority_information_access": False,
}


class LintError(Exception):
    """We built something that our own profile forbids: a fault of ours, nothing may be signed."""


@dataclass(frozen=True)
class Expectation:
    """What the certificate is meant to say."""

    issuer: Issuer
    profile: TerminalProfile
    subject: Subject
    validity: Validity
    spki_sha256: bytes


def check(tbs: bytes, expected: Expectation) -> None:
    """Raise LintError with every difference between the bytes and what was meant."""
    findings = list(_findings(tbs, expected))
    if findings:
        raise LintError("; ".join(findings))


def _findings(tbs: bytes, expected: Expectation) -> Iterator[str]:
    parsed = asn1_x509.TbsCertificate.load(tbs, strict=True)
    if parsed["version"].native != "v3":
        yield "version is not 3"
    serial = parsed["serial_number"]
    if serial.native <= 0 or len(serial.contents) > SERIAL_OCTETS:
        yield "serial number is not a positive one of 20 octets or fewer"
    if parsed["signature"].dump() != expected.issuer.algorithm.identifier:
        yield "signature algorithm is not the issuing CA's"
    if parsed["issuer"].dump() != asn1_x509.Certificate.load(expected.issuer.der).subject.dump():
        yield "issuer is not the issuing CA's subject"
    if parsed["subject"].dump() != expected.subject.name().public_bytes():
        yield "subject is not the terminal"
    dates = parsed["validity"]
    if _dates(dates) != (expected.validity.not_before, expected.validity.not_after):
        yield "validity differs from the policy's"
    if hashlib.sha256(parsed["subject_public_key_info"].dump()).digest() != expected.spki_sha256:
        yield "public key is not the requested one"
    if parsed["issuer_unique_id"].native is not None or parsed["subject_unique_id"].native is not None:
        yield "unique identifiers are there (RFC 5280 §4.1.2.8)"
    yield from _extension_findings(parsed, expected)


def _dates(validity: asn1_x509.Validity) -> tuple[datetime, datetime]:
    return validity["not_before"].native, validity["not_after"].native


def _extension_findings(parsed: asn1_x509.TbsCertificate, expected: Expectation) -> Iterator[str]:
    extensions = list(parsed["extensions"])
    names = [extension["extn_id"].native for extension in extensions]
    if sorted(names) != sorted(_CRITICAL):
        yield f"extensions are {names}"
        return
    values = {extension["extn_id"].native: extension["extn_value"].parsed for extension in extensions}
    for extension in extensions:
        if extension["critical"].native != _CRITICAL[extension["extn_id"].native]:
            yield f"{extension['extn_id'].native} is wrongly marked critical or not"
    for name, wanted in _wanted(parsed, expected).items():
        if values[name].native != wanted:
            yield f"{name} is {values[name].native!r}"


def _wanted(parsed: asn1_x509.TbsCertificate, expected: Expectation) -> dict[str, object]:
    addresses: Addresses = expected.profile.addresses
    issuer = expected.issuer.name
    return {
        "authority_key_identifier": {
            "key_identifier": expected.issuer.key_identifier.digest,
            "authority_cert_issuer": None,
            "authority_cert_serial_number": None,
        },
        "key_identifier": parsed["subject_public_key_info"].sha1,
        "key_usage": {"digital_signature"},
        "extended_key_usage": ["client_auth"],
        "certificate_policies": [{"policy_identifier": expected.profile.policy_oid, "policy_qualifiers": None}],
        "subject_alt_name": [expected.profile.san_prefix + expected.subject.terminal],
        "crl_distribution_points": [{"distribution_point": [addresses.crl(issuer)], "reasons": None, "crl_issuer": None}],
        "authority_information_access": [
            {"access_method": "ocsp", "access_location": addresses.ocsp()},
            {"access_method": "ca_issuers", "access_location": addresses.certificate(issuer)},
        ],
    }
