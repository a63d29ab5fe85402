"""pkilint in process as a judge of octets: everything at WARNING or above, but for what is so by design."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer

# What is so by design: code and beginning of the message, with the reason. A finding that is not here fails the test.
BY_DESIGN = {
    ("pkix.invalid_uri_syntax", 'Invalid URI syntax: "tag:'): (
        "RFC 4151's tag URIs are non-relative URIs with scheme and scheme-specific part, as RFC 5280 §4.2.1.6 demands;"
        " pkilint knows URLs with a host only"
    ),
    ("pkix.invalid_uri_syntax", 'Invalid URI syntax: "http://localhost:'): "the status door of these tests is on loopback",
    ("pkix.invalid_domain_name_syntax", 'Invalid domain name syntax: "localhost"'): "so are the doors that speak TLS",
}


def in_certificates(ders: Iterable[bytes]) -> set[str]:
    """Return what is found in certificates."""
    load = loader.RFC5280CertificateDocumentLoader().load_der_document
    return {finding for der in ders for finding in _findings(_certificate_rules(), load(der))}


def in_lists(ders: Iterable[bytes]) -> set[str]:
    """Return what is found in CRLs."""
    load = loader.RFC5280CertificateListDocumentLoader().load_der_document
    return {finding for der in ders for finding in _findings(_list_rules(), load(der))}


def in_answers(ders: Iterable[bytes]) -> set[str]:
    """Return what is found in OCSP responses."""
    load = loader.RFC6960OCSPResponseDocumentLoader().load_der_document
    return {finding for der in ders for finding in _findings(_answer_rules(), load(der))}


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


@cache
def _list_rules() -> ValidatorContainer:
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
            crl.crl_extension.CrlReasonCodeValidator(),  # which pkilint's own program leaves out
        ],
    )


@cache
def _answer_rules() -> ValidatorContainer:
    return ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
