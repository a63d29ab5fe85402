"""What is refused, and by which failInfo: each case changes one thing of a message that would be answered, and names why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ceremony import service
from tests.enrollment.protocols.cmp.conftest import ByCertificate, World, assert_nothing_happened, new_key
from tests.enrollment.protocols.cmp.writing import (
    CONFIRM_WAIT_TIME,
    HMAC_SHA256,
    IMPLICIT_CONFIRM,
    MD5,
    NULL,
    PBM,
    RSA_SHA256,
    Draft,
    Request,
    algorithm,
    by_pbm,
    directory,
    info,
    number,
    octets,
    oid,
    pbm,
    pbmac1,
    seq,
    signing,
    tagged,
    value,
)
from tests.support.clock import MORNING
from tests.support.house import PREPARER

OTHER = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another CA")])
SHA1_RSA, SHA1_ECDSA, SCRYPT = "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.3.6.1.4.1.11591.4.11"
ARCHIVE, OLD_CERTIFICATE = "1.3.6.1.5.5.7.5.1.4", "1.3.6.1.5.5.7.5.1.5"


@dataclass(frozen=True)
class Case:
    """`change` spoils a message; `told` is the answer's body and failInfo, `rule` the section that wants it."""

    name: str
    rule: str
    change: Callable[[Draft], Draft]
    told: tuple[str, str]


def spoilt(**changes: object) -> Callable[[Draft], Draft]:
    """Return what changes fields before the message is protected."""
    return lambda draft: replace(draft, **changes)  # type: ignore[arg-type]


def after(change: Callable[[bytes], bytes]) -> Callable[[Draft], Draft]:
    """Return what spoils the protection itself."""

    def spoil(draft: Draft) -> Draft:
        protect = draft.protect
        assert protect is not None
        return replace(draft, protect=lambda part: change(protect(part)))

    return spoil


def cases(rule: str, told: tuple[str, str], **named: Callable[[Draft], Draft]) -> Iterator[Case]:
    """Name cases of one rule that are all told alike."""
    for name, change in named.items():
        yield Case(name, rule, change, told)


def error(fail_info: str) -> tuple[str, str]:
    return "error", fail_info


NO_VALUE = info(IMPLICIT_CONFIRM, number(1))
BOTH = (info(IMPLICIT_CONFIRM, NULL), info(CONFIRM_WAIT_TIME, value(0x18, b"20270101000000Z")))
LONG = 2**70

HEADERS = [
    *cases(
        "RFC 9483 §3.1 pvno",
        error("unsupportedVersion"),
        version_0=spoilt(version=0),
        version_1=spoilt(version=1),
        version_4=spoilt(version=4),
        version_negative=spoilt(version=-2),
        version_huge=spoilt(version=LONG),
    ),
    *cases(
        "RFC 9483 §3.5 transactionID",
        error("badDataFormat"),
        no_transaction=spoilt(transaction=None),
        empty_transaction=spoilt(transaction=b""),
        long_transaction=spoilt(transaction=bytes(65)),
    ),
    *cases(
        "RFC 9483 §3.5 senderNonce",
        error("badSenderNonce"),
        no_nonce=spoilt(sender_nonce=None),
        empty_nonce=spoilt(sender_nonce=b""),
        nonce_of_120_bits=spoilt(sender_nonce=bytes(15)),
    ),
    *cases("RFC 9483 §3.5 recipNonce", error("badRecipientNonce"), nonce_of_nobody=spoilt(recipient_nonce=bytes(16))),
    *cases(
        "RFC 9483 §3.5 messageTime",
        error("badTime"),
        yesterday=spoilt(time=MORNING - timedelta(hours=25)),
        tomorrow=spoilt(time=MORNING + timedelta(hours=25)),
        long_ago=spoilt(time=MORNING.replace(year=1999)),
        never=spoilt(time=MORNING.replace(year=9999)),
    ),
    *cases(
        "RFC 9483 §3.1 generalInfo",
        error("badRequest"),
        implicit_confirm_with_a_value=spoilt(general=(NO_VALUE,)),
        implicit_confirm_and_wait_time=spoilt(general=BOTH),
    ),
]

KINDS = [
    *cases(
        "RFC 9483 §5.2.2: nested messages",
        error("badRequest"),
        nested=spoilt(kind=20),
        nested_deep=spoilt(kind=20, body=b"\x30\x80" * 900),
    ),
    *cases(
        "RFC 9483 §4: bodies that no end entity sends",
        error("badRequest"),
        ip=spoilt(kind=1),
        cp=spoilt(kind=3),
        popdecc=spoilt(kind=5),
        popdecr=spoilt(kind=6),
        kup=spoilt(kind=8),
        krr=spoilt(kind=9),
        rp=spoilt(kind=12),
        ccr=spoilt(kind=13),
        cann=spoilt(kind=16),
        pkiconf=spoilt(kind=19),
        genp=spoilt(kind=22),
        poll_rep=spoilt(kind=26),
    ),
]  # fmt: skip

PROTECTION = [
    *cases(
        "RFC 9483 §3.5: protection must be there and fit",
        error("badMessageCheck"),
        unprotected=spoilt(algorithm=None, protect=None),
        without_algorithm=spoilt(algorithm=None),
        without_value=spoilt(protect=None),
        bit_flipped=after(lambda made: bytes((made[0] ^ 1,)) + made[1:]),
        truncated=after(lambda made: made[:-1]),
        longer=after(lambda made: made + b"\x00"),
        empty=after(lambda _made: b""),
        body_of_another_message=after(lambda made: made[::-1]),
        wrong_secret=spoilt(protect=by_pbm(b"NAC999W-222222-22222-NAC001")),
        other_salt=spoilt(algorithm=pbm(salt=b"t" * 16)),
        other_rounds=spoilt(algorithm=pbm(501)),
    ),
    *cases(
        "RFC 9483 §3.1 senderKID",
        error("badMessageCheck"),
        no_access_key=spoilt(sender_key=None),
        unknown_access_key=spoilt(sender_key=b"9999999999999"),
        empty_access_key=spoilt(sender_key=b""),
        access_key_not_text=spoilt(sender_key=b"\xff\xfe\x00"),
        endless_access_key=spoilt(sender_key=b"9" * 10_000),
    ),
    *cases("RFC 9481 §6.2.1", error("badAlg"), plain_hmac=spoilt(algorithm=algorithm(HMAC_SHA256))),
    *cases("RFC 9810 §5.1.3.2", error("badAlg"), dh_based=spoilt(algorithm=algorithm("1.2.840.113533.7.66.30"))),
    *cases("RFC 9810 §5.2.3", error("badAlg"), nonsense=spoilt(algorithm=algorithm("1.2.3.4"))),
    *cases("RFC 9481 §3.1", error("badAlg"), sha1_rsa=spoilt(algorithm=algorithm(SHA1_RSA, NULL))),
    *cases("RFC 9481 §3.2", error("badAlg"), sha1_ecdsa=spoilt(algorithm=algorithm(SHA1_ECDSA))),
    *cases(
        "RFC 9810 §5.1.3.1, RFC 4211 §4.4: PasswordBasedMac",
        error("badAlg"),
        rounds_10001=spoilt(algorithm=pbm(10_001)),
        rounds_huge=spoilt(algorithm=pbm(LONG)),
        rounds_99=spoilt(algorithm=pbm(99)),
        rounds_0=spoilt(algorithm=pbm(0)),
        rounds_negative=spoilt(algorithm=pbm(-500)),
        one_way_md5=spoilt(algorithm=pbm(one_way=algorithm(MD5))),
        mac_des=spoilt(algorithm=pbm(mac=algorithm("1.3.14.3.2.10"))),
        salt_endless=spoilt(algorithm=pbm(salt=bytes(257))),
        no_parameters=spoilt(algorithm=algorithm(PBM)),
        parameters_null=spoilt(algorithm=algorithm(PBM, NULL)),
        parameters_short=spoilt(algorithm=algorithm(PBM, seq(octets(b"salt")))),
    ),
    *cases(
        "RFC 8018 §7.1, RFC 9481 §6.1.2: PBMAC1",
        error("badAlg"),
        pbkdf2_rounds_huge=spoilt(algorithm=pbmac1(100_001)),
        pbkdf2_rounds_1=spoilt(algorithm=pbmac1(1)),
        pbkdf2_key_of_one_octet=spoilt(algorithm=pbmac1(length=number(1))),
        pbkdf2_key_huge=spoilt(algorithm=pbmac1(length=number(1_000_000))),
        pbkdf2_salt_elsewhere=spoilt(algorithm=pbmac1(salt=algorithm("1.2.3.4"))),
        scrypt=spoilt(algorithm=pbmac1(kdf=SCRYPT)),
        pbmac1_md5=spoilt(algorithm=pbmac1(mac=algorithm("1.3.6.1.5.5.8.1.1"))),
    ),
]


@pytest.mark.parametrize("case", [*HEADERS, *KINDS, *PROTECTION], ids=lambda case: f"{case.rule}: {case.name}")
def test_a_message_by_codes_is_refused(world: World, case: Case) -> None:
    terminal = world.terminal()
    answer = world.send(case.change(terminal.draft()), terminal.secret)
    assert (answer.body, answer.fail_info) == case.told
    assert_nothing_happened(world, terminal)


def signed(name: str, rule: str, told: tuple[str, str], change: Callable[[World, ByCertificate], Draft]) -> object:
    return pytest.param(told, change, id=f"{rule}: {name}")


def by_another_key(_world: World, terminal: ByCertificate) -> Draft:
    return replace(terminal.draft(), protect=signing(new_key())[1])


def under_service(name: str) -> Callable[[World, ByCertificate], Draft]:
    def change(world: World, terminal: ByCertificate) -> Draft:
        return replace(terminal.draft(), certificates=(service(world.house.database, name).certificate,))

    return change


def self_signed(_world: World, terminal: ByCertificate) -> Draft:
    subject, key = terminal.certificate.subject, new_key()
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), terminal.certificate.serial_number)
    builder = builder.not_valid_before(MORNING).not_valid_after(MORNING + timedelta(days=1))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    forged = builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())
    draft = replace(terminal.draft(), protect=signing(key)[1], sender_key=identifier.digest)
    return replace(draft, certificates=(forged.public_bytes(Encoding.DER),))


def forged(_world: World, terminal: ByCertificate) -> Draft:
    return replace(terminal.draft(), certificates=(terminal.der[:-1] + bytes((terminal.der[-1] ^ 1,)),))


def changed(**changes: object) -> Callable[[World, ByCertificate], Draft]:
    return lambda _world, terminal: replace(terminal.draft(), **changes)  # type: ignore[arg-type]


def as_issuer(_world: World, terminal: ByCertificate) -> Draft:
    return replace(terminal.draft(), sender=directory(terminal.certificate.issuer))


def revoked(world: World, terminal: ByCertificate) -> Draft:
    world.send(terminal.draft(revocation(terminal), 11))
    return terminal.draft()


def suspended(world: World, terminal: ByCertificate) -> Draft:
    world.house.endings.suspend(terminal.name, PREPARER)
    return terminal.draft()


def old(issuer: bytes, serial: int) -> bytes:
    return seq(seq(oid(OLD_CERTIFICATE), seq(issuer, number(serial))))


def with_old(make: Callable[[ByCertificate], bytes]) -> Callable[[World, ByCertificate], Draft]:
    def change(_world: World, terminal: ByCertificate) -> Draft:
        return terminal.draft(seq(Request(terminal.new, controls=make(terminal)).written()))

    return change


UNREADABLE = seq(seq(oid(OLD_CERTIFICATE), NULL))


def own_name(terminal: ByCertificate) -> bytes:
    return tagged(4, terminal.certificate.issuer.public_bytes())


SIGNED = [
    signed("another key signed", "RFC 9483 §3.2", error("badMessageCheck"), by_another_key),
    signed("no extraCerts", "RFC 9483 §3.3", error("badMessageCheck"), changed(certificates=())),
    signed("no senderKID", "RFC 9483 §3.1", error("badMessageCheck"), changed(sender_key=None)),
    signed("another senderKID", "RFC 9483 §3.1", error("badMessageCheck"), changed(sender_key=bytes(20))),
    signed("nobody sends", "RFC 9483 §3.1", error("badMessageCheck"), changed(sender=directory())),
    signed("the issuer sends", "RFC 9483 §3.1", error("badMessageCheck"), as_issuer),
    signed("sender is a mail address", "RFC 9483 §3.1", error("badMessageCheck"), changed(sender=value(0x81, b"a@example.jp"))),
    signed("an algorithm of other keys", "RFC 9481 §3.1", error("badAlg"), changed(algorithm=algorithm(RSA_SHA256, NULL))),
    signed("PSS without parameters", "RFC 9481 §3.1", error("badAlg"), changed(algorithm=algorithm("1.2.840.113549.1.1.10"))),
    signed("the issuing CA's certificate", "RFC 9483 §3.5", error("signerNotTrusted"), under_service("issuing-1")),
    signed("our own signer's certificate", "RFC 9483 §3.5", error("signerNotTrusted"), under_service("cmp")),
    signed("a certificate that names us", "RFC 9483 §3.5", error("signerNotTrusted"), self_signed),
    signed("a certificate with another signature", "RFC 9483 §3.5", error("signerNotTrusted"), forged),
    signed("no certificate at all", "RFC 9483 §3.5", error("signerNotTrusted"), changed(certificates=(seq(b"\x05\x00"),))),
    signed("revoked", "RFC 9483 §4.1.3", ("kup", "certRevoked"), revoked),
    signed("suspended", "RFC 9483 §4.1.3", ("kup", "notAuthorized"), suspended),
    signed("oldCertID of another serial", "RFC 9483 §4.1.3", ("kup", "badCertId"), with_old(lambda one: old(own_name(one), 1))),
    signed(
        "oldCertID of another issuer",
        "RFC 9483 §4.1.3",
        ("kup", "badCertId"),
        with_old(lambda one: old(directory(OTHER), one.certificate.serial_number)),
    ),
    signed(
        "oldCertID with a mail address",
        "RFC 9483 §4.1.3",
        ("kup", "badCertId"),
        with_old(lambda one: old(value(0x81, b"a@example.jp"), one.certificate.serial_number)),
    ),
    signed("oldCertID unreadable", "RFC 9483 §4.1.3", ("kup", "badCertId"), with_old(lambda _one: UNREADABLE)),
    signed(
        "the same key again",
        "RFC 9483 §4.1.3",
        ("kup", "badCertTemplate"),
        lambda _world, one: one.draft(seq(Request(one.key).written())),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "change"), SIGNED)
def test_a_message_by_certificate_is_refused(
    world: World, told: tuple[str, str], change: Callable[[World, ByCertificate], Draft]
) -> None:  # fmt: skip
    answer = world.send(change(world, world.certified()))
    assert (answer.body, answer.fail_info) == told
    assert answer.protection == "signature"


def revocation(terminal: ByCertificate) -> bytes:
    named = value(0x81, number(terminal.certificate.serial_number)[2:])
    return seq(seq(seq(named, tagged(3, terminal.certificate.issuer.public_bytes()))))
