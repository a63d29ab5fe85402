"""pkilint reads hundreds of certificates, every list and every kind of status answer. Nothing at WARNING or above."""

import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer

from ca import revocation
from ca.ceremony import RESPONDER, server_key_name, service_certificate
from ca.profiles import Subject, TerminalProfile, new_serial
from ca.revocation import Reason
from ca.signing import certify, to_be_signed
from kernel.clock import tokyo_date
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.interop.programs import Papers
from tests.support.open_doors import OpenDoors

RANDOM = random.Random(20261124)  # noqa: S311 (test material, the same at every run)
# What is so by design: code and beginning of the message, with the reason. A finding that is not here fails the test.
BY_DESIGN = {
    ("pkix.invalid_uri_syntax", 'Invalid URI syntax: "tag:example.jp,2026:terminal:'): (
        "RFC 4151's tag URIs are non-relative URIs with scheme and scheme-specific part, as RFC 5280 §4.2.1.6 demands;"
        " pkilint knows URLs with a host only"
    ),
    ("pkix.invalid_uri_syntax", 'Invalid URI syntax: "http://localhost:'): "the status door of these tests is on loopback",
    ("pkix.invalid_domain_name_syntax", 'Invalid domain name syntax: "localhost"'): "so are the doors that speak TLS",
}

ORGANIZATIONS = ["NAC Trading Co., Ltd.", "ナックス商事株式会社", "A", "A" * 64, "あ" * 64, "O'Neill & Söhne", "x.y/z+(1):2-3"]


def _findings(container: ValidatorContainer, document: Any) -> Iterator[str]:  # noqa: ANN401 (pkilint's own classes)
    for result in container.validate(document.root):
        for described in result.finding_descriptions:
            finding, message = described.finding, described.message or ""
            if finding.severity <= ValidationFindingSeverity.WARNING and not _is_by_design(finding.code, message):
                yield f"{finding.severity.name} {finding.code}: {message}"


def _is_by_design(code: str, message: str) -> bool:
    return any(code == known and message.startswith(beginning) for known, beginning in BY_DESIGN)


@cache
def _certificate_rules() -> ValidatorContainer:
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def _in_certificates(ders: Iterable[bytes]) -> set[str]:
    load = loader.RFC5280CertificateDocumentLoader().load_der_document
    return {finding for der in ders for finding in _findings(_certificate_rules(), load(der))}


def _in_list(der: bytes) -> set[str]:
    rules = crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )
    return set(_findings(rules, loader.RFC5280CertificateListDocumentLoader().load_der_document(der)))


def _in_answer(der: bytes) -> set[str]:
    rules = ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    return set(_findings(rules, loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der)))


def _keys() -> list[CertificatePublicKeyTypes]:
    return [
        *(ec.generate_private_key(curve).public_key() for curve in (ec.SECP256R1(), ec.SECP384R1())),
        *(rsa.generate_private_key(65537, bits).public_key() for bits in (2048, 3072, 4096)),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ]


def _various(doors: OpenDoors, count: int) -> Iterator[bytes]:
    """Yield terminal certificates of all key kinds, subjects, start dates and ends, made as the authority makes them."""
    house = doors.house
    keys = _keys()
    now = house.clock.now()
    for number in range(count):
        fixed_end = RANDOM.choice([None, None, date(2049, 12, 31), date(2055, 3, 31)])
        profile = TerminalProfile(house.profile.policy_oid, house.profile.san_prefix, house.profile.addresses, fixed_end)
        validity = profile.validity(tokyo_date(now) + timedelta(days=RANDOM.randint(-30, 300)), now)
        subject = Subject(f"{number:05}{RANDOM.choice('ABWXYZ')}", f"NAC{number:03}", RANDOM.choice(ORGANIZATIONS))
        builder = profile.builder(house.issuing.issuer, RANDOM.choice(keys), subject, new_serial(), validity)
        yield certify(to_be_signed(builder, house.issuing.issuer.public_key), house.issuing)


def test_hundreds_of_terminal_certificates_are_without_finding(doors: OpenDoors) -> None:
    assert _in_certificates(_various(doors, 300)) == set()


def test_certificates_that_were_really_retrieved_are_without_finding(doors: OpenDoors) -> None:
    ahead = tokyo_date(doors.house.clock.now()) + timedelta(days=30)
    issued = [doors.house.issue(start_date=start).certificate.der or b"" for start in (None, ahead) for _ in range(10)]
    assert _in_certificates(issued) == set()


def test_our_own_certificates_are_without_finding(doors: OpenDoors) -> None:
    house = doors.house
    services = [service_certificate(house.database, name) for name in (RESPONDER, server_key_name("retrieval"))]
    assert _in_certificates([house.root.der, house.issuing.issuer.der, *services]) == set()


def test_lists_are_without_finding(doors: OpenDoors, papers: Papers) -> None:
    for reason in Reason:
        record, _ = papers.certificate()
        papers.revoke(record, reason)
        assert _in_list(doors.house.crl.file.read_bytes()) == set()
    assert _in_list((doors.house.crl_folder / "root.crl").read_bytes()) == set()


def test_status_answers_of_every_kind_are_without_finding(doors: OpenDoors, papers: Papers) -> None:
    house = doors.house
    serials = ["123456"]
    for reason in (None, *Reason):
        record, _ = papers.certificate()
        serials.append(record.serial)
        if reason is not None:
            papers.revoke(record, reason)
    held, _ = papers.certificate()
    with house.database.transaction() as session:
        revocation.hold(session, held.issuer, held.serial, now=house.clock.now())
    asked = [
        cert_id(house.issuing.issuer, serial, algorithm) for serial in [*serials, held.serial] for algorithm in ("sha1", "sha256")
    ]
    answers = [house.responder.answer(request(one), house.clock.now()).der for one in asked]
    answers.append(house.responder.answer(request(*asked, extensions=[nonce(b"0123456789abcdef")]), house.clock.now()).der)
    for der in answers:
        assert _in_answer(der) == set()


@pytest.mark.parametrize("fault", ["relative URI", "empty key usage"])
def test_the_linter_bites(doors: OpenDoors, fault: str) -> None:
    house = doors.house
    now = house.clock.now()
    prefix = "terminal/" if fault == "relative URI" else house.profile.san_prefix
    profile = TerminalProfile(house.profile.policy_oid, prefix, house.profile.addresses)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    validity = profile.validity(tokyo_date(now), now)
    builder = profile.builder(house.issuing.issuer, key, Subject("99999W", "NAC001", "NAC"), new_serial(), validity)
    tbs = to_be_signed(builder, house.issuing.issuer.public_key)
    if fault == "empty key usage":
        tbs = tbs.replace(b"\x04\x04\x03\x02\x07\x80", b"\x04\x04\x03\x02\x07\x00")
    assert _in_certificates([certify(tbs, house.issuing)]) != set()
