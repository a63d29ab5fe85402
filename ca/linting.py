"""pkilint over certificates. The checker loads this, and what founds and renews our own; no door may."""

import re
from collections.abc import Iterable
from functools import cache

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity, ValidatorContainer

from ca.own_profiles import OwnProfile
from ca.profiles import Addresses, TerminalProfile

Found = tuple[str, ...]
# A finding's code, and how its message begins, of what is so by design.
Allowed = tuple[tuple[str, str], ...]
_OF_LOCALHOST = 'Invalid domain name syntax: "localhost"'
# pkilint wants a domain of the public Internet; in a network of one's own machines are called by one label.
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_MAILBOX = re.compile(rf"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@{_LABEL.pattern}")


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
    return (*_uris(one.san_prefix for one in known), *_at(one.addresses for one in known))


def by_design_of_ours(profiles: Iterable[OwnProfile]) -> Allowed:
    """Return the same of certificates by our own profiles, whose hosts may be names without a domain, too (RFC 1034 §3.5)."""
    known = list(profiles)
    hosts = {host for one in known for host in one.hosts if _LABEL.fullmatch(host)}
    mails = {one.mail for one in known if one.mail is not None and _MAILBOX.fullmatch(one.mail)}
    return (
        *_at(one.addresses for one in known),
        *(("pkix.invalid_domain_name_syntax", f'Invalid domain name syntax: "{host}"') for host in sorted(hosts)),
        *(("pkix.invalid_email_address_syntax", f'Invalid e-mail address syntax: "{mail}"') for mail in sorted(mails)),
    )


def _at(places: Iterable[Addresses]) -> Allowed:
    return (*_uris(f"{one.status_url}/" for one in places), ("pkix.invalid_domain_name_syntax", _OF_LOCALHOST))


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
