"""Whether a certificate is ours: each fault is made on purpose and found."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca import profiles
from ca.issuers import Issuer
from ca.profiles import Subject, TerminalProfile, Validity
from enrollment import codes as code_rules
from enrollment.client import chain
from kernel.errors import Refused
from tests.ca.trial import ADDRESSES

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT_KEY, ISSUING_KEY, KEY = (ec.generate_private_key(curve()) for curve in (ec.SECP384R1, ec.SECP256R1, ec.SECP256R1))


def _name(common_name: str, office: str = "") -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, office)] if office else []
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *,
    extensions: Sequence[tuple[x509.ExtensionType, bool]], period: tuple[datetime, datetime] = (NOW - DAY, NOW + 365 * DAY),
) -> x509.Certificate:  # fmt: skip
    builder = x509.CertificateBuilder(
        issuer_name=_name(issuer),
        subject_name=_name(subject),
        public_key=key.public_key(),
        serial_number=profiles.new_serial(),
        not_valid_before=period[0],
        not_valid_after=period[1],
    )
    identifiers: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    for extension, critical in (*identifiers, *extensions):
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA384() if signer.curve.name == "secp384r1" else hashes.SHA256())


def _authority(
    *, ca: bool = True, path_length: int | None = None, cert_sign: bool = True
) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=not cert_sign, key_cert_sign=cert_sign, crl_sign=cert_sign, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return [(x509.BasicConstraints(ca, path_length if ca else None), True), (usage, True)]


A_CA: tuple[x509.ExtensionType, bool] = (x509.BasicConstraints(ca=True, path_length=None), True)
CLIENT: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
LONG = (NOW - 100 * DAY, NOW + 3650 * DAY)
ROOT = _certificate("root", ROOT_KEY, "root", ROOT_KEY, extensions=_authority(), period=LONG)
ISSUING = _certificate("issuing", ISSUING_KEY, "root", ROOT_KEY, extensions=_authority(path_length=0), period=LONG)
GOOD = _certificate("99999W", KEY, "issuing", ISSUING_KEY, extensions=CLIENT)


def _broken(certificate: x509.Certificate, above: Sequence[x509.Certificate], now: datetime = NOW) -> bool:
    try:
        chain.require_chain(certificate, above, [ROOT], now)
    except Refused as refused:
        return refused.code == "chain-broken" and str(refused.facts["detail"]) != ""
    return False


def test_a_good_chain_passes() -> None:
    assert not _broken(GOOD, [ISSUING])


def test_what_the_profiles_really_make_passes() -> None:
    def issue(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        return builder.sign(key, hashes.SHA384() if key.curve.name == "secp384r1" else hashes.SHA256())

    validity = Validity(NOW - DAY, NOW + 3650 * DAY)
    root = issue(profiles.authority_builder(_name("R"), ROOT_KEY.public_key(), validity, None, ADDRESSES), ROOT_KEY)
    above = Issuer("root", "root", root)
    issuing = issue(profiles.authority_builder(_name("I"), ISSUING_KEY.public_key(), validity, above, ADDRESSES), ROOT_KEY)
    issuer = Issuer("issuing-1", "issuing-1", issuing)
    profile = TerminalProfile("1.2.3.4", "tag:example.jp,2026:terminal:", ADDRESSES)
    subject = Subject("99999W", "NAC001", "ナックス商事株式会社")
    builder = profile.builder(issuer, KEY.public_key(), subject, profiles.new_serial(), Validity(NOW, NOW + DAY))
    chain.require_chain(issue(builder, ISSUING_KEY), [issuing], [root], NOW)


def test_a_start_date_ahead_is_fine_and_the_past_is_not() -> None:
    ahead = _certificate("99999W", KEY, "issuing", ISSUING_KEY, extensions=CLIENT, period=(NOW + 60 * DAY, NOW + 300 * DAY))
    assert not _broken(ahead, [ISSUING])
    assert not _broken(ahead, [ISSUING], NOW + 299 * DAY)
    assert _broken(ahead, [ISSUING], NOW + 301 * DAY)


def test_a_pc_whose_clock_is_behind_still_takes_it() -> None:
    assert not _broken(GOOD, [ISSUING], NOW - 2000 * DAY)


def test_without_the_link_there_is_no_chain() -> None:
    assert _broken(GOOD, [])
    assert _broken(GOOD, [GOOD])


def test_another_root_of_the_same_name_is_not_trusted() -> None:
    other_key = ec.generate_private_key(ec.SECP384R1())
    other = _certificate("root", other_key, "root", other_key, extensions=_authority(), period=LONG)
    with pytest.raises(Refused, match="chain-broken"):
        chain.require_chain(GOOD, [ISSUING], [other], NOW)


def test_a_signature_by_another_key_is_found() -> None:
    assert _broken(_certificate("99999W", KEY, "issuing", KEY, extensions=CLIENT), [ISSUING])
    assert _broken(
        GOOD, [_certificate("issuing", ISSUING_KEY, "root", ISSUING_KEY, extensions=_authority(path_length=0), period=LONG)]
    )


def test_a_changed_octet_is_found() -> None:
    der = GOOD.public_bytes(Encoding.DER)
    changed = x509.load_der_x509_certificate(der.replace(b"99999W", b"99998W"))
    assert _broken(changed, [ISSUING])


@pytest.mark.parametrize(
    "flags",
    [_authority(ca=False), _authority(cert_sign=False), []],
    ids=["not a CA", "may not sign certificates", "says nothing"],
)
def test_who_is_no_authority_signs_for_nobody(flags: Sequence[tuple[x509.ExtensionType, bool]]) -> None:
    assert _broken(GOOD, [_certificate("issuing", ISSUING_KEY, "root", ROOT_KEY, extensions=flags, period=LONG)])


def test_an_issuing_ca_makes_no_further_ca() -> None:
    below_key = ec.generate_private_key(ec.SECP256R1())
    below = _certificate("below", below_key, "issuing", ISSUING_KEY, extensions=_authority(), period=LONG)
    assert _broken(_certificate("99999W", KEY, "below", below_key, extensions=CLIENT), [below, ISSUING])


def test_an_issuing_ca_whose_time_is_over_is_found() -> None:
    old = _certificate("issuing", ISSUING_KEY, "root", ROOT_KEY, extensions=_authority(), period=(NOW - 9 * DAY, NOW - DAY))
    assert _broken(GOOD, [old])


@pytest.mark.parametrize(
    "extensions",
    [[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)], [], [*CLIENT, A_CA]],
    ids=["for servers", "for nothing", "a CA"],
)  # fmt: skip
def test_a_certificate_for_another_purpose_is_found(extensions: Sequence[tuple[x509.ExtensionType, bool]]) -> None:
    assert _broken(_certificate("99999W", KEY, "issuing", ISSUING_KEY, extensions=extensions), [ISSUING])


def test_the_key_must_be_our_own() -> None:
    chain.require_own_key(GOOD, KEY)
    with pytest.raises(Refused, match="certificate-of-another-key"):
        chain.require_own_key(GOOD, ISSUING_KEY)


@pytest.mark.parametrize(
    ("terminal", "office", "fits"),
    [("99999W", "NAC001", True), ("99998W", "NAC001", False), ("99999W", "NAC002", False), ("", "NAC001", False)],
)
def test_the_terminal_must_be_that_of_the_codes(terminal: str, office: str, *, fits: bool) -> None:
    name = _name(terminal or "x", office)
    certificate = (
        x509.CertificateBuilder(
            issuer_name=_name("issuing"),
            subject_name=name if terminal else x509.Name([]),
            public_key=KEY.public_key(),
            serial_number=1,
            not_valid_before=NOW,
            not_valid_after=NOW + DAY,
        )
    ).sign(KEY, hashes.SHA256())
    codes = code_rules.generate("99999W", "NAC001")
    if fits:
        assert chain.require_terminal(certificate, codes) == terminal
        return
    with pytest.raises(Refused, match="certificate-of-another-terminal"):
        chain.require_terminal(certificate, codes)


def test_a_bundle_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    with pytest.raises(Refused, match="trust-unreadable"):
        chain.roots(file)
    file.write_text("-----BEGIN CERTIFICATE-----\n", encoding="ascii")
    with pytest.raises(Refused, match="trust-unreadable"):
        chain.roots(file)
    file.write_bytes(ROOT.public_bytes(Encoding.PEM) + ISSUING.public_bytes(Encoding.PEM))
    assert chain.roots(file) == [ROOT, ISSUING]
