"""What each kind of our own certificates must say, written out once more from docs/architecture.md and the RFCs it names.

What composes them (`ca.profiles`, `ca.service_profiles`, `ca.renewal`) is not asked: asn1crypto reads, and a change of a kind
is made here, too, by intent. These rules are applied before our own are signed, and by the checker each night.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca import key_policy
from ca.certificates import CertificateRecord
from ca.der import content, elements
from ca.findings import Said
from ca.inspection import parsed_tbs
from ca.issuers import Issuer
from ca.own_profiles import OwnKind, OwnProfile, overlap
from kernel.errors import Refused
from keys.algorithms import algorithm_of

BACKDATED = timedelta(minutes=10)
AUTHORITIES = (OwnKind.ROOT, OwnKind.ISSUING, OwnKind.LINK)
_CERTIFIES = {"key_cert_sign", "crl_sign"}
# RFC 5280 §4.2.1.3, by asn1crypto's names: contentCommitment is non_repudiation.
_USAGES = {
    OwnKind.ROOT: _CERTIFIES,
    OwnKind.ISSUING: _CERTIFIES,
    OwnKind.LINK: _CERTIFIES,
    OwnKind.DOCUMENT: {"digital_signature", "non_repudiation"},
    OwnKind.SCEP: {"digital_signature", "key_encipherment"},  # RFC 8894 §3.2
}
_SIGNS = {"digital_signature"}
_PURPOSES = {
    OwnKind.OCSP: ["ocsp_signing"],  # RFC 6960 §4.2.2.2
    OwnKind.TIMESTAMP: ["time_stamping"],  # RFC 3161 §2.3
    OwnKind.DOCUMENT: ["1.3.6.1.5.5.7.3.36", "email_protection"],  # RFC 9336 §3.1, and what readers built upon NSS ask for
    OwnKind.SCEP: ["cmc_ra"],  # RFC 6402 §2.10
    OwnKind.CMP: ["cmc_ra"],  # RFC 9483 §1.5
    OwnKind.MAIL: ["email_protection"],
    OwnKind.SERVER: ["server_auth"],
}


@dataclass(frozen=True)
class OwnRules:
    """The rules for one certificate of ours: its profile, who signs it, and the root that it speaks of if it is a link.

    `is_first` where it follows none: only a later one may be shorter than its profile says.
    """

    profile: OwnProfile
    issuer: Issuer
    linked: Issuer | None = None
    is_first: bool = True

    def findings(self, record: CertificateRecord) -> Iterator[Said]:
        """Find what differs from the rules."""
        if self.profile.name != record.subject:
            yield "profile", f"its profile is that of {self.profile.name}"
            return
        if self.profile.kind == OwnKind.LINK and self.linked is None:
            yield "profile", f"it speaks of {self.profile.linked}, which is no authority of ours"
            return
        try:
            parsed = parsed_tbs(record.tbs)
            yield from self._issuer(record, parsed)
            yield from self._subject(parsed)
            yield from self._dates(record, parsed)
            yield from self._extensions(parsed)
            yield from self._key(parsed)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield "profile", "it can not be read"

    def _issuer(self, record: CertificateRecord, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        if tbs["version"].native != "v3" or tbs["issuer_unique_id"].native or tbs["subject_unique_id"].native:
            yield "profile", "it is not of version 3, or has unique identifiers"
        if tbs["signature"].dump() != self.issuer.algorithm.identifier:
            yield "signature-algorithm", "it is not the one that its issuer signs by"
        if self.profile.under not in (None, record.issuer):
            yield "profile", f"{record.issuer} signs it, and not {self.profile.under}"
        is_by_root = self.issuer.certificate.issuer == self.issuer.certificate.subject
        if is_by_root != (self.profile.kind in AUTHORITIES):
            yield "profile", f"{record.issuer} is none that signs certificates of the kind {self.profile.kind.value}"

    def _subject(self, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        if self.linked is not None:
            if tbs["subject"].dump() != self.linked.certificate.subject.public_bytes():
                yield "subject-differs", f"it does not name {self.linked.name}"
            return
        said, profile = tbs["subject"].native, self.profile
        named = {"country_name": profile.country, "organization_name": profile.organization, "common_name": profile.common_name}
        if list(said.items()) != [(name, value) for name, value in named.items() if value is not None]:
            yield "subject-differs", f"it names {', '.join(map(str, said.values()))}"

    def _dates(self, record: CertificateRecord, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        begin, end = (tbs["validity"][name].native for name in ("not_before", "not_after"))
        last = self.issuer.certificate.not_valid_after_utc
        if self.linked is not None:
            both = overlap(self.linked.certificate, self.issuer.certificate)
            if (begin, end) != (both.not_before, both.not_after):
                yield "profile", "it is not valid for as long as both of its roots"
            return
        if begin != (record.reserved_at - BACKDATED).replace(microsecond=0):
            yield "profile", "it does not begin ten minutes before it was promised"
        is_cut = not self.is_first and begin < end and (end == last or self.profile.kind == OwnKind.OCSP)
        if end - begin > self.profile.lifetime or (end - begin < self.profile.lifetime and not is_cut):
            yield "profile", f"it is valid for {(end - begin).days} days, and not for {self.profile.lifetime.days}"
        if end > last:
            yield "profile", "it outlives its issuing CA"

    def _extensions(self, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        extensions = {one["extn_id"].native: one for one in tbs["extensions"]}
        wanted = self._wanted(tbs)
        if set(extensions) != set(wanted) or len(extensions) != len(tbs["extensions"]):
            yield "profile", f"the extensions are {sorted(extensions)}"
            return
        for name, value in wanted.items():
            if extensions[name]["critical"].native != self._is_critical(name):
                yield "profile", f"{name} is wrongly critical, or wrongly not"
            if _said(name, extensions[name]) != value:
                yield "profile", f"{name} is not the profile's"

    def _is_critical(self, name: str) -> bool:
        if name == "extended_key_usage":
            return self.profile.kind == OwnKind.TIMESTAMP  # RFC 3161 §2.3
        return name in ("key_usage", "basic_constraints")

    def _wanted(self, tbs: asn1_x509.TbsCertificate) -> dict[str, object]:
        kind, profile = self.profile.kind, self.profile
        wanted: dict[str, object] = {"key_identifier": _identifier(tbs), "key_usage": _USAGES.get(kind, _SIGNS)}
        if kind in AUTHORITIES:
            length = 0 if kind == OwnKind.ISSUING else None
            wanted["basic_constraints"] = {"ca": True, "path_len_constraint": length}
        if kind == OwnKind.ISSUING:
            wanted["certificate_policies"] = [{"policy_identifier": "any_policy", "policy_qualifiers": None}]
        if kind in _PURPOSES:
            wanted["extended_key_usage"] = _PURPOSES[kind]
        if kind == OwnKind.OCSP:
            wanted["ocsp_no_check"] = None
        names = [("dns_name", one) for one in profile.hosts] + [("ip_address", one) for one in profile.ip_addresses]
        if profile.mail is not None:
            names.append(("rfc822_name", profile.mail))
        if names:
            wanted["subject_alt_name"] = names
        return wanted | self._of_issuer()

    def _of_issuer(self) -> dict[str, object]:
        """Return what is said of who signs: a root has nobody above it, and a responder's status is not asked for."""
        kind, name, status = self.profile.kind, self.issuer.name, self.profile.addresses.status_url
        if kind == OwnKind.ROOT:
            return {}
        said: dict[str, object] = {
            "authority_key_identifier": {
                "key_identifier": self.issuer.key_identifier.digest,
                "authority_cert_issuer": None,
                "authority_cert_serial_number": None,
            }
        }
        if kind == OwnKind.OCSP:
            return said
        places = [{"access_method": "ca_issuers", "access_location": f"{status}/ca/{name}.cer"}]
        if kind not in AUTHORITIES:
            places.insert(0, {"access_method": "ocsp", "access_location": f"{status}/ocsp"})
        lists = [{"distribution_point": [f"{status}/crl/{name}.crl"], "reasons": None, "crl_issuer": None}]
        return said | {"crl_distribution_points": lists, "authority_information_access": places}

    def _key(self, tbs: asn1_x509.TbsCertificate) -> Iterator[Said]:
        spki = tbs["subject_public_key_info"].dump()
        try:
            key = load_der_public_key(spki)
            kind = algorithm_of(key).name
            if not isinstance(key, MLDSA65PublicKey):
                key_policy.accept_until(key_policy.accept(key), tbs["validity"]["not_after"].native)
        except (ValueError, UnsupportedAlgorithm):
            yield "key-weak", "the key can not be read, or is of a kind that does not sign here"
            return
        except Refused as refused:
            yield "key-weak", str(refused)
            return
        if kind != self.profile.algorithm:
            yield "profile", f"the key is of the kind {kind}, and not {self.profile.algorithm}"
        if self.linked is not None and key != self.linked.public_key:
            yield "key-differs", f"it is not the key of {self.linked.name}"


def _identifier(tbs: asn1_x509.TbsCertificate) -> bytes:
    """Return SHA-1 over the key's bits (RFC 5280 §4.2.1.2 (1))."""
    _, bits = elements(tbs["subject_public_key_info"].dump())
    return hashlib.sha1(content(bits)[1:], usedforsecurity=False).digest()


def _said(name: str, extension: asn1_x509.Extension) -> object:
    value = extension["extn_value"].parsed
    if name == "subject_alt_name":
        return [(one.name, one.native) for one in value]
    return value.native
