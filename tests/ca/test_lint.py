"""The lint, and that it bites: each field and each extension of a good certificate is changed, and the change is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from asn1crypto import algos, core
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca import lint
from ca.lint import Expectation, LintError
from ca.profiles import Addresses, Subject, TerminalProfile, Validity, new_serial
from ca.requests import spki_digest
from ca.signing import to_be_signed
from tests.ca.trial import NOW, PROFILE, SUBJECT, TODAY, trial_issuer

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
ISSUER = trial_issuer().issuer
VALIDITY = PROFILE.validity(TODAY, NOW)
EXPECTED = Expectation(ISSUER, PROFILE, SUBJECT, VALIDITY, spki_digest(KEY))
Change = Callable[[asn1_x509.TbsCertificate], None]

EXTENSIONS = [
    "authority_key_identifier",
    "key_identifier",
    "key_usage",
    "extended_key_usage",
    "certificate_policies",
    "subject_alt_name",
    "crl_distribution_points",
    "authority_information_access",
]


DELTA = replace(PROFILE, delta=True)


def _good(profile: TerminalProfile = PROFILE, subject: Subject = SUBJECT, validity: Validity = VALIDITY) -> bytes:
    return to_be_signed(profile.builder(ISSUER, KEY, subject, new_serial(), validity), ISSUER.public_key)


def _changed(change: Change) -> bytes:
    parsed = asn1_x509.TbsCertificate.load(_good())
    _ = parsed.native  # parse everything, so that a change deep inside is written out again
    change(parsed)
    encoded: bytes = parsed.dump(force=True)
    return encoded


def _extension(parsed: asn1_x509.TbsCertificate, name: str) -> asn1_x509.Extension:
    return next(extension for extension in parsed["extensions"] if extension["extn_id"].native == name)


def _set(field: str, value: object) -> Change:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        parsed[field] = value

    return change


def _value(name: str, value: core.Asn1Value) -> Change:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        _extension(parsed, name)["extn_value"] = core.ParsableOctetString(value.dump())

    return change


def _other_validity(parsed: asn1_x509.TbsCertificate) -> None:
    parsed["validity"]["not_after"] = asn1_x509.Time({"utc_time": VALIDITY.not_after + timedelta(seconds=1)})


def _other_key(parsed: asn1_x509.TbsCertificate) -> None:
    other = to_be_signed(
        PROFILE.builder(ISSUER, ec.generate_private_key(ec.SECP256R1()).public_key(), SUBJECT, 1, VALIDITY), ISSUER.public_key
    )
    foreign = asn1_x509.TbsCertificate.load(other)
    parsed["subject_public_key_info"] = foreign["subject_public_key_info"].copy()
    # Consistent in itself: the identifier is the other key's, too.
    _extension(parsed, "key_identifier")["extn_value"] = _extension(foreign, "key_identifier")["extn_value"].copy()


def _without(name: str) -> Change:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        parsed["extensions"] = [item for item in parsed["extensions"] if item["extn_id"].native != name]

    return change


def _twice(name: str) -> Change:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        parsed["extensions"] = [*parsed["extensions"], _extension(parsed, name).copy()]

    return change


def _criticality(name: str) -> Change:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        extension = _extension(parsed, name)
        extension["critical"] = not extension["critical"].native

    return change


def _one_more(parsed: asn1_x509.TbsCertificate) -> None:
    constraints = {"extn_id": "basic_constraints", "critical": True, "extn_value": asn1_x509.BasicConstraints({"ca": True})}
    parsed["extensions"] = [*parsed["extensions"], asn1_x509.Extension(constraints)]


def _points(*addresses: str) -> asn1_x509.CRLDistributionPoints:
    points = []
    for address in addresses:
        name = asn1_x509.GeneralName("uniform_resource_identifier", asn1_x509.URI(address))
        points.append({"distribution_point": asn1_x509.DistributionPointName("full_name", [name])})
    return asn1_x509.CRLDistributionPoints(points)


def _names(*names: asn1_x509.GeneralName) -> asn1_x509.GeneralNames:
    return asn1_x509.GeneralNames(list(names))


def _uri(address: str) -> asn1_x509.GeneralName:
    return asn1_x509.GeneralName("uniform_resource_identifier", asn1_x509.URI(address))


FIELDS: dict[str, tuple[Change, str]] = {
    "version 1": (_set("version", "v1"), "fields are missing"),
    "serial zero": (_set("serial_number", 0), "serial"),
    "serial negative": (_set("serial_number", -5), "serial"),
    "serial of 21 octets": (_set("serial_number", 1 << 160), "serial"),
    "signature algorithm": (_set("signature", algos.SignedDigestAlgorithm({"algorithm": "sha1_ecdsa"})), "signature algorithm"),
    "issuer": (_set("issuer", asn1_x509.Name.build({"common_name": "Somebody CA"})), "issuer"),
    "subject": (_set("subject", asn1_x509.Name.build({"country_name": "JP", "common_name": "99999W"})), "subject"),
    "validity": (_other_validity, "validity"),
    "public key": (_other_key, "public key"),
    "issuer's unique id": (_set("issuer_unique_id", core.OctetBitString(b"1", implicit=1)), "unique"),
    "subject's unique id": (_set("subject_unique_id", core.OctetBitString(b"1", implicit=2)), "unique"),
    "an extension more": (_one_more, "extensions are"),
}
VALUES: dict[str, Change] = {
    "authority_key_identifier": _value(
        "authority_key_identifier", asn1_x509.AuthorityKeyIdentifier({"key_identifier": bytes(20)})
    ),
    "key_identifier": _value("key_identifier", core.OctetString(bytes(20))),
    "key_usage": _value("key_usage", asn1_x509.KeyUsage({"digital_signature", "key_cert_sign"})),
    "extended_key_usage": _value("extended_key_usage", asn1_x509.ExtKeyUsageSyntax(["client_auth", "server_auth"])),
    "certificate_policies": _value(
        "certificate_policies", asn1_x509.CertificatePolicies([{"policy_identifier": "1.2.3"}])
    ),
    "subject_alt_name": _value("subject_alt_name", _names(_uri("tag:example.jp,2026:terminal:88888W"))),
    "crl_distribution_points": _value("crl_distribution_points", _points("http://elsewhere.example.jp/crl/trial.crl")),
    "authority_information_access": _value(
        "authority_information_access",
        asn1_x509.AuthorityInfoAccessSyntax([{"access_method": "ocsp", "access_location": _uri(PROFILE.addresses.ocsp())}]),
    ),
}  # fmt: skip


def test_a_delta_list_is_named_where_the_profile_says_so_and_nowhere_else() -> None:
    with_delta = replace(EXPECTED, profile=DELTA)
    lint.check(_good(DELTA), with_delta)
    with pytest.raises(LintError, match="extensions are"):
        lint.check(_good(), with_delta)
    with pytest.raises(LintError, match="extensions are"):
        lint.check(_good(DELTA), EXPECTED)


def _with_delta(change: Change) -> bytes:
    parsed = asn1_x509.TbsCertificate.load(_good(DELTA))
    _ = parsed.native
    change(parsed)
    encoded: bytes = parsed.dump(force=True)
    return encoded


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (_criticality("freshest_crl"), "freshest_crl is wrongly marked"),
        (_value("freshest_crl", _points("http://status.example.jp/crl/trial.crl")), "freshest_crl has another value"),
        (_value("freshest_crl", _points("http://status.example.jp/crl/trial.1.delta.crl")), "freshest_crl has another value"),
        (_twice("freshest_crl"), "extensions are there twice"),
    ],
)
def test_a_wrong_delta_list_is_found(change: Change, finding: str) -> None:
    with pytest.raises(LintError, match=finding):
        lint.check(_with_delta(change), replace(EXPECTED, profile=DELTA))


@pytest.mark.parametrize("start", [date(2026, 11, 1), TODAY, date(2027, 3, 1)])
@pytest.mark.parametrize("organization", ["NAC Trading Co., Ltd.", "ナックス商事株式会社", "A" * 64])
def test_what_the_profile_builds_passes(start: date, organization: str) -> None:
    subject, validity = Subject("99999W", "NAC001", organization), PROFILE.validity(start, NOW)
    lint.check(_good(PROFILE, subject, validity), Expectation(ISSUER, PROFILE, subject, validity, spki_digest(KEY)))


def test_dates_after_2049_pass_in_their_other_encoding() -> None:
    profile = TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, PROFILE.addresses, date(2055, 3, 31))
    validity = profile.validity(TODAY, NOW)
    lint.check(_good(profile, SUBJECT, validity), Expectation(ISSUER, profile, SUBJECT, validity, spki_digest(KEY)))


def test_writing_out_again_is_no_change_by_itself() -> None:
    lint.check(_changed(lambda _: None), EXPECTED)


@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_field_is_found(name: str) -> None:
    change, finding = FIELDS[name]
    with pytest.raises(LintError, match=finding):
        lint.check(_changed(change), EXPECTED)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_changed_extension_is_found(name: str) -> None:
    with pytest.raises(LintError, match=name):
        lint.check(_changed(VALUES[name]), EXPECTED)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_missing_extension_is_found(name: str) -> None:
    with pytest.raises(LintError, match="extensions are"):
        lint.check(_changed(_without(name)), EXPECTED)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_repeated_extension_is_found(name: str) -> None:
    with pytest.raises(LintError, match="extensions are there twice"):
        lint.check(_changed(_twice(name)), EXPECTED)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_wrong_criticality_is_found(name: str) -> None:
    with pytest.raises(LintError, match=f"{name} is wrongly marked"):
        lint.check(_changed(_criticality(name)), EXPECTED)


@pytest.mark.parametrize(
    "meant",
    [
        Expectation(ISSUER, PROFILE, Subject("99998W", "NAC001", SUBJECT.organization), VALIDITY, spki_digest(KEY)),
        Expectation(ISSUER, PROFILE, Subject("99999W", "NAC002", SUBJECT.organization), VALIDITY, spki_digest(KEY)),
        Expectation(ISSUER, PROFILE, SUBJECT, PROFILE.validity(TODAY, NOW - timedelta(days=1)), EXPECTED.spki_sha256),
        Expectation(ISSUER, PROFILE, SUBJECT, VALIDITY, bytes(32)),
        Expectation(
            ISSUER,
            TerminalProfile(PROFILE.policy_oid, PROFILE.san_prefix, Addresses("http://other.example.jp")),
            SUBJECT,
            VALIDITY,
            EXPECTED.spki_sha256,
        ),
        Expectation(trial_issuer("p384").issuer, PROFILE, SUBJECT, VALIDITY, EXPECTED.spki_sha256),
    ],
)  # fmt: skip
def test_a_good_certificate_for_somebody_else_is_found(meant: Expectation) -> None:
    with pytest.raises(LintError):
        lint.check(_good(), meant)


def test_all_findings_are_told_at_once() -> None:
    def change(parsed: asn1_x509.TbsCertificate) -> None:
        parsed["issuer"], parsed["serial_number"] = asn1_x509.Name.build({"common_name": "Somebody CA"}), 0

    with pytest.raises(LintError, match=r"issuer.*serial"):
        lint.check(_changed(change), EXPECTED)
