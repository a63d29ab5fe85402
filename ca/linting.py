"""pkilint over certificates. The checker loads this, and what founds and renews our own; no door may."""

from collections.abc import Iterable
from functools import cache

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer

from ca.profiles import Addresses, TerminalProfile

Found = tuple[str, ...]
# A finding's code, and how its message begins, of what is so by design.
Allowed = tuple[tuple[str, str], ...]


def lint(der: bytes, allowed: Allowed) -> Found:
    """Return what pkilint finds at WARNING or above in one certificate."""
    try:
        document = loader.RFC5280CertificateDocumentLoader().load_der_document(der)
        results = _rules().validate(document.root)
    except Exception as error:  # noqa: BLE001 (whatever its parser raises, the certificate is not readable)
        return (f"unreadable ({type(error).__name__})",)
    return tuple(
        f"{described.finding.code} {described.message or ''}".strip()
        for result in results
        for described in result.finding_descriptions
        if described.finding.severity <= ValidationFindingSeverity.WARNING
        and not any(
            described.finding.code == code and (described.message or "").startswith(beginning) for code, beginning in allowed
        )
    )


def by_design(profiles: Iterable[TerminalProfile]) -> Allowed:
    """Return what pkilint does not know better of certificates by these profiles.

    RFC 4151's tag URIs are non-relative URIs with a scheme, as RFC 5280 §4.2.1.6 demands; pkilint knows URLs with a host
    only. And the addresses of doors are what the operator chose, on trial machines a host without domain.
    """
    known = list(profiles)
    return (*_uris(one.san_prefix for one in known), *by_design_at(one.addresses for one in known))


def by_design_at(places: Iterable[Addresses]) -> Allowed:
    """Return the same of certificates that name these addresses alone."""
    return (
        *_uris(f"{one.status_url}/" for one in places),
        ("pkix.invalid_domain_name_syntax", 'Invalid domain name syntax: "localhost"'),
    )


def _uris(beginnings: Iterable[str]) -> Allowed:
    return tuple(("pkix.invalid_uri_syntax", f'Invalid URI syntax: "{begin}') for begin in sorted(set(beginnings)))


@cache
def _rules() -> ValidatorContainer:
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
