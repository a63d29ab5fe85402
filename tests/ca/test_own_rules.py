"""The rules for our own certificates: of each kind the right one passes, and each way of being wrong is found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca import own_profiles, profiles
from ca.certificates import CertificateRecord, CertificateState, serial_text
from ca.issuers import Issuer, SigningIssuer
from ca.own_profiles import OwnKind, OwnProfile
from ca.own_rules import OwnRules
from ca.plan import ROOT_CRL, YEAR, AuthorityPlan, Plan, ServiceKind, ServicePlan
from ca.profiles import BACKDATING, Addresses, ServerNames, Validity
from ca.requests import spki_digest
from ca.service_profiles import link_builder, service_builder
from ca.signing import assemble, to_be_signed
from keys.algorithms import ALGORITHMS, SigningKey, VerifyingKey
from tests.ca.trial import NOW

BEGIN = NOW - BACKDATING
PLAN = Plan("Trial Network", Addresses("http://status.example.jp"), (), (), Path("published"))
AUTHORITIES = {
    name: AuthorityPlan(name, f"Trial {name}", "p256", years, under, *ROOT_CRL)
    for name, years, under in (("root", 20, None), ("root-2", 25, None), ("issuing-1", 10, "root"))
}
NAMES = ServerNames(("portal.example.jp", "portal"), (x509.IPAddress(ip_address("192.0.2.7")),))
KINDS = list(OwnKind)


@cache
def key_of(name: str) -> SigningKey:
    return ALGORITHMS["p384" if name == "p384" else "p256"].generate()


def public(name: str) -> VerifyingKey:
    key = key_of(name).public_key()
    assert isinstance(key, VerifyingKey)
    return key


@cache
def authority(name: str) -> SigningIssuer:
    """Return an authority in memory."""
    plan = AUTHORITIES[name]
    above = authority(plan.under) if plan.under else None
    builder = profiles.authority_builder(
        PLAN.name_of(plan.common_name),
        public(name),
        Validity(BEGIN, BEGIN + plan.years * YEAR),
        above.issuer if above else None,
        PLAN.addresses,
    )
    signer = above.key if above else key_of(name)
    return SigningIssuer(Issuer(name, name, builder.sign(signer, ALGORITHMS["p256"].hash)), key_of(name))


@dataclass(frozen=True)
class Sample:
    """A good certificate of a kind: its profile, who signs it, what it says, and whom a link speaks of."""

    profile: OwnProfile
    issuer: Issuer
    builder: x509.CertificateBuilder
    linked: Issuer | None = None

    def told(self, builder: x509.CertificateBuilder | None = None, *, is_first: bool = True) -> set[str]:
        """Return the codes of what the rules find, by default in what is good."""
        rules = OwnRules(self.profile, self.issuer, self.linked, is_first=is_first)
        return {code for code, _ in rules.findings(recorded(self, builder or self.builder))}


def recorded(sample: Sample, builder: x509.CertificateBuilder, reserved_at: datetime = NOW) -> CertificateRecord:
    tbs = to_be_signed(builder, sample.issuer.public_key)
    parsed = x509.load_der_x509_certificate(assemble(tbs, b"\x30\x00"))
    return CertificateRecord(
        issuer=sample.issuer.name,
        serial=serial_text(parsed.serial_number),
        subject=sample.profile.name,
        state=CertificateState.RESERVED,
        spki_sha256=spki_digest(parsed.public_key()),
        tbs=tbs,
        der=None,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        reserved_at=reserved_at,
        issued_at=None,
        revoked_at=None,
        reason=None,
    )


def service_plan(kind: ServiceKind) -> ServicePlan:
    names, mail = (NAMES if kind == ServiceKind.SERVER else None), ("a@example.jp" if kind == ServiceKind.MAIL else None)
    common_name = NAMES.host_names[0] if names else f"Trial {kind.value}"
    return ServicePlan(kind.value, kind, common_name, "p256", 2, "issuing-1", names=names, mail=mail)


@cache
def sample(kind: OwnKind) -> Sample:
    """Return a good certificate of a kind, as the ceremony composes it."""
    if kind in (OwnKind.ROOT, OwnKind.ISSUING):
        plan = AUTHORITIES["root" if kind == OwnKind.ROOT else "issuing-1"]
        issuer = authority("root").issuer
        validity = Validity(BEGIN, BEGIN + plan.years * YEAR)
        above = issuer if plan.under else None
        builder = profiles.authority_builder(PLAN.name_of(plan.common_name), public(plan.name), validity, above, PLAN.addresses)
        return Sample(own_profiles.of_authority(PLAN, plan), issuer, builder)
    if kind == OwnKind.LINK:
        linked, issuer = authority("root-2").issuer, authority("root").issuer
        both = own_profiles.overlap(linked.certificate, issuer.certificate)
        profile = own_profiles.of_link(PLAN, linked, issuer, both)
        return Sample(profile, issuer, link_builder(linked, issuer, both, PLAN), linked)
    service, issuer = service_plan(ServiceKind(kind.value)), authority("issuing-1").issuer
    builder = service_builder(PLAN, service, issuer, public(service.name), Validity(BEGIN, BEGIN + 2 * YEAR))
    return Sample(own_profiles.of_service(PLAN, service), issuer, builder)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_composed_of_each_kind_is_without_finding(kind: OwnKind) -> None:
    assert sample(kind).told() == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_no_kind_passes_for_another(kind: OwnKind, other: OwnKind) -> None:
    if kind != other:
        mistaken = replace(sample(kind), profile=replace(sample(kind).profile, kind=other))
        assert mistaken.told() != set()


def _without(builder: x509.CertificateBuilder, number: int) -> x509.CertificateBuilder:
    extensions = [one for place, one in enumerate(builder._extensions) if place != number]  # noqa: SLF001 (there is no public way)
    return _of(builder, extensions)


def _of(builder: x509.CertificateBuilder, extensions: list[x509.Extension[x509.ExtensionType]]) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder(
        builder._issuer_name,  # noqa: SLF001 (the same, and so on)
        builder._subject_name,  # noqa: SLF001
        builder._public_key,  # noqa: SLF001
        builder._serial_number,  # noqa: SLF001
        builder._not_valid_before,  # noqa: SLF001
        builder._not_valid_after,  # noqa: SLF001
    )
    for one in extensions:
        made = made.add_extension(one.value, critical=one.critical)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_each_extension_must_be_there_as_critical_as_it_is_and_no_further_one(kind: OwnKind) -> None:
    good = sample(kind)
    extensions = list(good.builder._extensions)  # noqa: SLF001
    for number, one in enumerate(extensions):
        assert good.told(_without(good.builder, number)) == {"profile"}
        changed = [*extensions]
        changed[number] = x509.Extension(one.oid, not one.critical, one.value)
        assert good.told(_of(good.builder, changed)) == {"profile"}
    assert good.told(good.builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)) == {
        "profile"
    }


OTHER_URL = "http://elsewhere.example.jp/x"
_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "key_cert_sign", "crl_sign", "key_agreement")


_POINT = x509.DistributionPoint([x509.UniformResourceIdentifier(OTHER_URL)], None, None, None)
# Of each sort of extension one that says something else; RFC 6960's nocheck can not.
_OTHERS: dict[type[x509.ExtensionType], Callable[[Any], x509.ExtensionType]] = {
    x509.KeyUsage: lambda one: x509.KeyUsage(
        **{name: getattr(one, name) != (name == "digital_signature") for name in _USAGES},
        data_encipherment=True,
        encipher_only=False,
        decipher_only=False,
    ),
    x509.ExtendedKeyUsage: lambda one: x509.ExtendedKeyUsage([*one, ExtendedKeyUsageOID.CLIENT_AUTH]),
    x509.BasicConstraints: lambda _: x509.BasicConstraints(ca=True, path_length=3),
    x509.SubjectKeyIdentifier: lambda _: x509.SubjectKeyIdentifier(bytes(20)),
    x509.AuthorityKeyIdentifier: lambda _: x509.AuthorityKeyIdentifier(bytes(20), None, None),
    x509.CertificatePolicies: lambda _: x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]),
    x509.SubjectAlternativeName: lambda one: x509.SubjectAlternativeName([*one, x509.DNSName("elsewhere.example.jp")]),
    x509.CRLDistributionPoints: lambda _: x509.CRLDistributionPoints([_POINT]),
    x509.AuthorityInformationAccess: lambda one: x509.AuthorityInformationAccess(
        [x509.AccessDescription(one[0].access_method, x509.UniformResourceIdentifier(OTHER_URL))]
    ),
    x509.OCSPNoCheck: lambda one: one,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_extension_must_say_what_the_profile_says(kind: OwnKind) -> None:
    good = sample(kind)
    for number, one in enumerate(extensions := list(good.builder._extensions)):  # noqa: SLF001
        value = _OTHERS[type(one.value)](one.value)
        if value == one.value:  # RFC 6960's nocheck says nothing else
            assert isinstance(value, x509.OCSPNoCheck)
            continue
        changed = [*extensions]
        changed[number] = x509.Extension(one.oid, one.critical, value)
        assert good.told(_of(good.builder, changed)) == {"profile"}, one.oid


def _again(good: Sample, **fields: object) -> x509.CertificateBuilder:
    """Compose it once more with other fields."""
    made = _of(good.builder, list(good.builder._extensions))  # noqa: SLF001
    for name, value in fields.items():
        setattr(made, name, value)
    return made


DAY = timedelta(days=1)
Change = Callable[[Sample], x509.CertificateBuilder]
CHANGES: dict[str, Change] = {
    "it ends a day later": lambda good: _again(good, _not_valid_after=good.builder._not_valid_after + DAY),  # type: ignore[operator]  # noqa: SLF001
    "it ends a day sooner": lambda good: _again(good, _not_valid_after=good.builder._not_valid_after - DAY),  # type: ignore[operator]  # noqa: SLF001
    "it began a day sooner": lambda good: _again(good, _not_valid_before=good.builder._not_valid_before - DAY),  # type: ignore[operator]  # noqa: SLF001
    "it has another key": lambda good: _again(good, _public_key=public("another")),
    "its key is of another kind": lambda good: _again(good, _public_key=public("p384")),
    "it names somebody else": lambda good: _again(good, _subject_name=PLAN.name_of("Somebody")),
    "it names more": lambda good: _again(
        good,
        _subject_name=x509.Name([*good.builder._subject_name, x509.NameAttribute(NameOID.SERIAL_NUMBER, "1")]),  # type: ignore[misc]  # noqa: SLF001
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_name_key_and_dates_are_the_profiles(kind: OwnKind, change: str) -> None:
    assert sample(kind).told(CHANGES[change](sample(kind))) != set()


def test_a_key_that_can_be_broken_is_found() -> None:
    good = sample(OwnKind.SCEP)
    weak = rsa.generate_private_key(public_exponent=3, key_size=3072).public_key()
    made = replace(good, profile=replace(good.profile, algorithm="rsa3072"))
    assert "key-weak" in made.told(_again(good, _public_key=weak))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (OwnKind.ROOT, OwnKind.ISSUING, OwnKind.LINK)])
def test_who_signs_is_an_issuing_ca_and_of_a_responder_a_certain_one(kind: OwnKind) -> None:
    root = authority("root").issuer
    service = service_plan(ServiceKind(kind.value))
    builder = service_builder(PLAN, service, root, public(service.name), Validity(BEGIN, BEGIN + 2 * YEAR))
    assert replace(sample(kind), issuer=root).told(builder) == {"profile"}
    renamed = replace(sample(kind), issuer=replace(sample(kind).issuer, name="issuing-2"))
    composed = service_builder(PLAN, service, renamed.issuer, public(service.name), Validity(BEGIN, BEGIN + 2 * YEAR))
    assert renamed.told(composed) == ({"profile"} if kind == OwnKind.OCSP else set())


def test_only_a_later_certificate_is_shorter_and_only_to_end_with_its_issuer_or_for_a_responder() -> None:
    for kind, is_cut in ((OwnKind.CMP, False), (OwnKind.OCSP, True)):
        shorter = CHANGES["it ends a day sooner"](sample(kind))
        assert sample(kind).told(shorter) == {"profile"}
        assert (sample(kind).told(shorter, is_first=False) == set()) == is_cut
    long = replace(sample(OwnKind.CMP), profile=replace(sample(OwnKind.CMP).profile, lifetime=20 * YEAR))
    ends = long.issuer.certificate.not_valid_after_utc.replace(tzinfo=None)
    assert long.told(_again(long, _not_valid_after=ends), is_first=False) == set()
    assert long.told(_again(long, _not_valid_after=ends)) == {"profile"}
    assert long.told(_again(long, _not_valid_after=ends + DAY), is_first=False) == {"profile"}


def test_a_profile_of_another_name_and_a_link_to_nobody_are_found() -> None:
    good, link = sample(OwnKind.CMP), sample(OwnKind.LINK)
    record = recorded(good, good.builder)
    [(code, text)] = OwnRules(good.profile, good.issuer).findings(replace(record, subject="mail"))
    assert (code, text) == ("profile", "its profile is that of cmp")
    [(code, text)] = OwnRules(link.profile, link.issuer, None).findings(recorded(link, link.builder))
    assert (code, text) == ("profile", "it speaks of root-2, which is no authority of ours")
    [(code, _)] = OwnRules(good.profile, good.issuer).findings(replace(record, tbs=record.tbs[:-1]))
    assert code == "profile"
