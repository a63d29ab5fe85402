"""What a terminal's certificate must say, written out once more from docs/architecture.md, for the checker alone.

A change of the profile is made here, too, by intent: what issues and what checks must not share their mistakes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca import key_policy
from ca.findings import Said
from ca.inspection import parsed_tbs
from ca.issuers import Issuer
from ca.profiles import TerminalProfile
from kernel.clock import day_end, tokyo_date
from kernel.errors import Refused

NAMES = {"country_name", "organization_name", "organizational_unit_name", "common_name"}
LONGEST_ORGANIZATION = 64
LONGEST = timedelta(days=366)
_CRITICAL = {"key_usage"}
# The profile's words for usages, and what RFC 5280's first edition called them, which asn1crypto keeps to.
_USAGES = {"digital_signature": "digital_signature", "content_commitment": "non_repudiation", "key_agreement": "key_agreement"}


@dataclass(frozen=True)
class TerminalRules:
    """The rules for certificates of one profile under one issuer."""

    profile: TerminalProfile
    issuer: Issuer

    def findings(self, tbs: bytes, terminal: str, office_code: str | None) -> Iterator[Said]:
        """Find what differs from the rules; without `office_code` nobody knows which office it must name."""
        try:
            parsed = parsed_tbs(tbs)
            yield from self._subject(parsed, terminal, office_code)
            yield from self._dates(parsed)
            yield from self._extensions(parsed, terminal)
            yield from _key(parsed)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield "profile", "it can not be read"

    def _subject(self, tbs: asn1_x509.TbsCertificate, terminal: str, office_code: str | None) -> Iterator[Said]:
        said = tbs["subject"].native
        if tbs["version"].native != "v3" or tbs["issuer_unique_id"].native or tbs["subject_unique_id"].native:
            yield "profile", "it is not of version 3, or has unique identifiers"
        if set(said) != NAMES or not all(isinstance(value, str) and value for value in said.values()):
            yield "profile", f"the subject has {sorted(said)}"
            return
        if said["common_name"] != terminal:
            yield "subject-differs", f"it names {said['common_name']}"
        if office_code is not None and said["organizational_unit_name"] != office_code:
            yield "office-differs", f"it names {said['organizational_unit_name']}, its codes {office_code}"
        if said["country_name"] != "JP" or len(said["organization_name"]) > LONGEST_ORGANIZATION:
            yield "profile", "country or organization are not the profile's"

    def _dates(self, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        begin, end = (tbs["validity"][name].native for name in ("not_before", "not_after"))
        if not begin < end:
            yield "profile", "it ends before it begins"
        if end != day_end(tokyo_date(end)):
            yield "profile", "it does not end with a day in Tokyo"
        if end > self.issuer.certificate.not_valid_after_utc:
            yield "profile", "it outlives its issuing CA"
        # A year from the retrieval, and as much before it as clocks may run behind.
        if self.profile.fixed_end is None and end - begin > LONGEST + self.profile.backdating:
            yield "profile", "it is valid for longer than a year"

    def _extensions(self, tbs: asn1_x509.TbsCertificate, terminal: str) -> Iterator[Said]:
        extensions = {one["extn_id"].native: one for one in tbs["extensions"]}
        wanted = self._wanted(tbs, terminal)
        named = {"crl_distribution_points", *(("freshest_crl",) if self.profile.delta else ())}
        if set(extensions) != {*wanted, *named} or len(extensions) != len(tbs["extensions"]):
            yield "profile", f"the extensions are {sorted(extensions)}"
            return
        for name, extension in extensions.items():
            if extension["critical"].native != (name in _CRITICAL):
                yield "profile", f"{name} is wrongly critical, or wrongly not"
        for name, value in wanted.items():
            if extensions[name]["extn_value"].parsed.native != value:
                yield "profile", f"{name} is not the profile's"
        urls = _addresses(extensions["crl_distribution_points"])
        beginning = self.profile.addresses.crl(self.issuer.name).removesuffix(".crl")
        if len(urls) != 1 or not re.fullmatch(re.escape(beginning) + r"(\.[1-9][0-9]*)?\.crl", urls[0]):
            yield "profile", f"it names {urls} as its lists"
            return
        deltas = _addresses(extensions["freshest_crl"]) if self.profile.delta else []
        if self.profile.delta and deltas != [urls[0].removesuffix(".crl") + ".delta.crl"]:
            yield "profile", f"it names {deltas} as its delta lists, and {urls} as its lists"

    def _wanted(self, tbs: asn1_x509.TbsCertificate, terminal: str) -> dict[str, object]:
        status = self.profile.addresses.status_url
        return {
            "authority_key_identifier": {
                "key_identifier": self.issuer.key_identifier.digest,
                "authority_cert_issuer": None,
                "authority_cert_serial_number": None,
            },
            "key_identifier": tbs["subject_public_key_info"].sha1,
            "key_usage": {_USAGES[usage] for usage in self.profile.usages},
            "extended_key_usage": [asn1_x509.KeyPurposeId(purpose).native for purpose in self.profile.purposes],
            "certificate_policies": [{"policy_identifier": self.profile.policy_oid, "policy_qualifiers": None}],
            "subject_alt_name": [self.profile.san_prefix + terminal],
            "authority_information_access": [
                {"access_method": "ocsp", "access_location": f"{status}/ocsp"},
                {"access_method": "ca_issuers", "access_location": f"{status}/ca/{self.issuer.name}.cer"},
            ],
        }


def _addresses(extension: asn1_x509.Extension) -> list[str]:
    return [url for point in extension["extn_value"].parsed.native for url in point["distribution_point"] or ()]


def _key(tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
    try:
        key = load_der_public_key(tbs["subject_public_key_info"].dump())
        key_policy.accept_until(key_policy.accept(key), tbs["validity"]["not_after"].native)
    except (ValueError, UnsupportedAlgorithm):
        yield "key-weak", "the key can not be read"
    except Refused as refused:
        yield "key-weak", str(refused)
