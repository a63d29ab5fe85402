"""What is refused after a certificate was given, and of messages that ask for none; and what is no message at all."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.protocols.cmp.failures import LARGEST
from kernel.errors import Refused
from tests.enrollment.protocols.cmp.conftest import ByCertificate, ByCodes, World, new_key
from tests.enrollment.protocols.cmp.reading import Answer
from tests.enrollment.protocols.cmp.writing import (
    CERT_CONF,
    ERROR,
    GENM,
    IMPLICIT_CONFIRM,
    NULL,
    POLL_REQ,
    RR,
    Draft,
    algorithm,
    bits,
    directory,
    implicit,
    info,
    number,
    octets,
    oid,
    seq,
    spki,
    tagged,
    value,
)
from tests.support.house import SOURCE, new_request

IT = "1.3.6.1.5.5.7.4"
SHA512, MD5 = "2.16.840.1.101.3.4.2.3", "1.2.840.113549.2.5"
OTHER = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another CA")])


@dataclass(frozen=True)
class Given:
    """A terminal that was given a certificate and has not confirmed it yet."""

    terminal: ByCodes
    first: Draft
    answer: Answer

    def hashed(self, digest: str = "sha256") -> bytes:
        return hashlib.new(digest, self.answer.certificate.public_bytes(Encoding.DER)).digest()

    def word(self, *more: bytes, request_id: int = 0, digest: str = "sha256") -> bytes:
        """Write a CertConfirmContent."""
        return seq(seq(octets(self.hashed(digest)), number(request_id), *more))

    def draft(self, body: bytes, kind: int = CERT_CONF, **changes: object) -> Draft:
        later = replace(self.first, kind=kind, body=body, recipient_nonce=self.answer.nonce())
        return replace(later, **changes)  # type: ignore[arg-type]


def given(world: World, **changes: object) -> Given:
    terminal = world.terminal()
    first = replace(terminal.draft(), **changes)  # type: ignore[arg-type]
    return Given(terminal, first, world.send(first, terminal.secret))


def case(name: str, rule: str, fail_info: str, make: Callable[[Given], Draft]) -> object:
    return pytest.param(make, fail_info, id=f"{rule}: {name}")


def status(number_: int, *more: bytes) -> bytes:
    return seq(number(number_), *more)


CONFIRMING = "RFC 9483 §4.1.1 certConf"
POLLED = seq(seq(number(0)))
LATER = [
    case("no such transaction", "RFC 9483 §3.5", "badRequest", lambda one: one.draft(one.word(), transaction=bytes(16))),
    case("no transactionID", "RFC 9483 §3.5", "badDataFormat", lambda one: one.draft(one.word(), transaction=None)),
    case("no recipNonce", "RFC 9483 §3.5", "badRecipientNonce", lambda one: one.draft(one.word(), recipient_nonce=None)),
    case("another recipNonce", "RFC 9483 §3.5", "badRecipientNonce", lambda one: one.draft(one.word(), recipient_nonce=b"")),
    case("no senderNonce", "RFC 9483 §3.5", "badSenderNonce", lambda one: one.draft(one.word(), sender_nonce=None)),
    case("not protected", "RFC 9483 §3.2", "badMessageCheck", lambda one: one.draft(one.word(), algorithm=None, protect=None)),
    case("another hash", CONFIRMING, "badCertId", lambda one: one.draft(seq(seq(octets(bytes(32)), number(0))))),
    case("an empty hash", CONFIRMING, "badCertId", lambda one: one.draft(seq(seq(octets(b""), number(0))))),
    case("another hash algorithm unnamed", CONFIRMING, "badCertId", lambda one: one.draft(one.word(digest="sha512"))),
    case("another certReqId", CONFIRMING, "badRequest", lambda one: one.draft(one.word(request_id=5))),
    case("minus one for an ir", CONFIRMING, "badRequest", lambda one: one.draft(one.word(request_id=-1))),
    case("nothing confirmed", CONFIRMING, "badRequest", lambda one: one.draft(seq())),
    case("two confirmed", CONFIRMING, "badRequest", lambda one: one.draft(seq(*[seq(octets(one.hashed()), number(0))] * 2))),
    case("garbage", CONFIRMING, "badDataFormat", lambda one: one.draft(b"\x30\x02\x05\x00")),
    case("nothing at all", CONFIRMING, "badDataFormat", lambda one: one.draft(b"")),
    case("accepted with failInfo", CONFIRMING, "badRequest", lambda one: one.draft(one.word(status(0, bits(b"\x80"))))),
    case("waiting", CONFIRMING, "badRequest", lambda one: one.draft(one.word(status(3)))),
    case("hashAlg in pvno 2", "RFC 9810 §5.3.18", "badRequest", lambda one: one.draft(one.word(tagged(0, algorithm(SHA512))))),
    case(
        "an unknown hashAlg",
        "RFC 9810 §5.3.18",
        "badAlg",
        lambda one: one.draft(one.word(tagged(0, algorithm(MD5))), version=3),
    ),
    case("polled without waiting", "RFC 9483 §4.4", "badRequest", lambda one: one.draft(seq(seq(number(0))), POLL_REQ)),
    case("polled for nothing", "RFC 9483 §4.4", "badRequest", lambda one: one.draft(seq(), POLL_REQ)),
    case("polled for two", "RFC 9483 §4.4", "badRequest", lambda one: one.draft(seq(*[seq(number(0))] * 2), POLL_REQ)),
    case("polled in garbage", "RFC 9483 §4.4", "badDataFormat", lambda one: one.draft(octets(b"x"), POLL_REQ)),
    case("polled elsewhere", "RFC 9483 §4.4", "badRequest", lambda one: one.draft(POLLED, POLL_REQ, transaction=bytes(16))),
    case("an error in garbage", "RFC 9483 §3.6.4", "badDataFormat", lambda one: one.draft(seq(), ERROR)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "fail_info"), LATER)
def test_a_later_message_is_refused_and_spoils_nothing(world: World, make: Callable[[Given], Draft], fail_info: str) -> None:
    one = given(world)
    answer = world.send(make(one), one.terminal.secret)
    assert (answer.body, answer.fail_info) == ("error", fail_info)
    assert world.send(one.draft(one.word()), one.terminal.secret).body == "pkiconf"


def test_a_confirmation_comes_once(world: World) -> None:
    """RFC 9810 §5.2.3 certConfirmed."""
    one = given(world)
    word = one.draft(one.word())
    assert world.send(word, one.terminal.secret).body == "pkiconf"
    again = world.send(word, one.terminal.secret)
    assert (again.body, again.fail_info) == ("error", "certConfirmed")


def test_what_was_confirmed_implicitly_is_not_confirmed_again(world: World) -> None:
    """RFC 9483 §4.1.1: implicitConfirm ends the transaction."""
    one = given(world, general=(info(IMPLICIT_CONFIRM, NULL),))
    answer = world.send(one.draft(one.word(), general=()), one.terminal.secret)
    assert (answer.body, answer.fail_info) == ("error", "certConfirmed")


def test_another_terminal_does_not_confirm(world: World) -> None:
    """RFC 9483 §3.2: one credential for all messages of a transaction."""
    one, other = given(world), world.terminal()
    answer = world.send(other.protect(one.draft(one.word())), other.secret)
    assert (answer.body, answer.fail_info) == ("error", "badMessageCheck")
    assert world.send(one.draft(one.word()), one.terminal.secret).body == "pkiconf"


def test_a_certificate_does_not_confirm_what_codes_began(world: World) -> None:
    """RFC 9810 §5.2.3 wrongIntegrity."""
    one, other = given(world), world.certified()
    answer = world.send(other.protect(one.draft(one.word())))
    assert (answer.body, answer.fail_info) == ("error", "wrongIntegrity")


def test_the_new_certificate_does_not_confirm_itself(world: World) -> None:
    """RFC 9483 §4.1.3: confirmed under the protection of the kur."""
    terminal = world.certified()
    first = terminal.draft()
    answer = world.send(first)
    der = answer.certificate.public_bytes(Encoding.DER)
    new = ByCertificate(terminal.name, terminal.new, answer.certificate, der)
    word = seq(seq(octets(hashlib.sha256(der).digest()), number(0)))
    told = world.send(new.protect(replace(first, kind=CERT_CONF, body=word, recipient_nonce=answer.nonce())))
    assert (told.body, told.fail_info) == ("error", "badMessageCheck")


REVOKING = "RFC 9483 §4.2 rr"


def details(
    terminal: ByCertificate, *more: bytes, serial: int | None = None, issuer: x509.Name | None = None, reason: bytes = b""
) -> bytes:
    """Write one RevDetails."""
    named = value(0x81, number(serial or terminal.certificate.serial_number)[2:])
    parts = sorted(
        (named, tagged(3, (issuer or terminal.certificate.issuer).public_bytes()), *more), key=lambda part: part[0] & 31
    )
    return seq(seq(*parts), reason)


def why(*numbers: int) -> bytes:
    return seq(*[seq(oid("2.5.29.21"), octets(value(0x0A, bytes((one,))))) for one in numbers])


def without(tag: int) -> Callable[[ByCertificate], bytes]:
    def make(terminal: ByCertificate) -> bytes:
        fields = {0x81: value(0x81, number(terminal.certificate.serial_number)[2:])}
        fields[0xA3] = tagged(3, terminal.certificate.issuer.public_bytes())
        return seq(seq(seq(*[field for name, field in fields.items() if name != tag])))

    return make


REVOCATIONS = {
    "badCertId": {
        "another serial": lambda one: seq(details(one, serial=1)),
        "another issuer": lambda one: seq(details(one, issuer=OTHER)),
        "another subject": lambda one: seq(details(one, tagged(5, OTHER.public_bytes()))),
        "another key": lambda one: seq(details(one, implicit(6, spki(new_key())))),
    },
    "addInfoNotAvailable": {"no serial": without(0x81), "no issuer": without(0xA3)},
    "badRequest": {
        "two certificates": lambda one: seq(details(one), details(one)),
        "version 1": lambda one: seq(details(one, value(0x80, b"\x00"))),
        "two reasons": lambda one: seq(details(one, reason=why(1, 4))),
        "cACompromise": lambda one: seq(details(one, reason=why(2))),
        "certificateHold": lambda one: seq(details(one, reason=why(6))),
        "a reason that is none": lambda one: seq(details(one, reason=why(7))),
        "removeFromCRL": lambda one: seq(details(one, reason=why(8))),
        "aACompromise": lambda one: seq(details(one, reason=why(10))),
        "a reason far off": lambda one: seq(details(one, reason=why(99))),
        "no certificate": lambda _one: seq(),
    },
    "badDataFormat": {
        "a reason in garbage": lambda one: seq(details(one, reason=seq(seq(oid("2.5.29.21"), octets(b"x"))))),
        "garbage": lambda _one: b"\x04\x00",
    },
}


@pytest.mark.parametrize(
    ("make", "fail_info"),
    [
        pytest.param(make, fail_info, id=f"{REVOKING}: {name}")
        for fail_info, named in REVOCATIONS.items()
        for name, make in named.items()
    ],
)
def test_a_revocation_is_refused(world: World, make: Callable[[ByCertificate], bytes], fail_info: str) -> None:
    terminal = world.certified()
    answer = world.send(terminal.draft(make(terminal), RR))
    assert (answer.body, answer.fail_info) == ("rp", fail_info)
    assert world.send(terminal.draft()).body == "kup"
    assert int(world.send(terminal.draft(seq(details(terminal)), RR)).status["status"]) == 0


def test_a_certificate_is_revoked_once(world: World) -> None:
    """RFC 9810 §5.2.3 certRevoked."""
    terminal = world.certified()
    draft = terminal.draft(seq(details(terminal)), RR)
    assert int(world.send(draft).status["status"]) == 0
    assert world.send(draft).fail_info == "certRevoked"


def test_codes_revoke_nothing(world: World) -> None:
    """RFC 9483 §4.2: signed by the certificate that is revoked."""
    terminal, own = world.terminal(), world.certified()
    answer = world.send(terminal.draft(seq(details(own)), RR), terminal.secret)
    assert (answer.body, answer.fail_info) == ("rp", "wrongIntegrity")


ASKING = "RFC 9483 §4.3 genm"
QUESTIONS = [
    pytest.param(seq(info(f"{IT}.17", octets(b"x"))), "badRequest", id=f"{ASKING}: caCerts with a value"),
    pytest.param(seq(info(f"{IT}.19", octets(b"x"))), "badRequest", id=f"{ASKING}: certReqTemplate with a value"),
    pytest.param(seq(info(f"{IT}.6", octets(b"x"))), "badRequest", id=f"{ASKING}: currentCRL with a value"),
    pytest.param(seq(info(f"{IT}.2", octets(b"x"))), "badRequest", id=f"{ASKING}: signKeyPairTypes with a value"),
    pytest.param(seq(info(f"{IT}.20")), "badRequest", id=f"{ASKING}: rootCaCert without a value"),
    pytest.param(seq(info(f"{IT}.22")), "badRequest", id=f"{ASKING}: crlStatusList without a value"),
    pytest.param(seq(info(f"{IT}.22", octets(b"x"))), "badDataFormat", id=f"{ASKING}: crlStatusList in garbage"),
    pytest.param(seq(*[info(f"{IT}.17")] * 17), "badRequest", id=f"{ASKING}: too many"),
    pytest.param(octets(b"x"), "badDataFormat", id=f"{ASKING}: garbage"),
]


@pytest.mark.parametrize(("body", "fail_info"), QUESTIONS)
def test_a_question_is_refused(world: World, body: bytes, fail_info: str) -> None:
    terminal = world.terminal()
    answer = world.send(terminal.draft(body, GENM), terminal.secret)
    assert (answer.body, answer.protection, answer.fail_info) == ("error", "PBM", fail_info)


def test_questions_are_answered_to_terminals_only(world: World) -> None:
    """RFC 9483 §4.3: protected as all requests are."""
    answer = world.send(Draft(GENM, seq(info(f"{IT}.17"))))
    assert (answer.body, answer.fail_info) == ("error", "badMessageCheck")


def nested(depth: int) -> bytes:
    made = b""
    for _ in range(depth):
        made = seq(made)
    return made


VALID = Draft(GENM, seq()).written()
HEADER = Draft(GENM, seq()).header
NO_MESSAGES = {
    "RFC 9811 §3.1": {
        "nothing": b"",
        "text": b"hello",
        "JSON": b'{"ir": []}',
        "NULL": NULL,
        "octets after the end": VALID + b"\x00",
        "cut off": VALID[:-1],
        "a deep nest": nested(5_000),
    },
    "RFC 9810 §5.1": {
        "an empty sequence": seq(),
        "only a header": seq(HEADER),
        "more parts": seq(HEADER, tagged(21, seq()), tagged(2, seq())),
    },
    "RFC 9810 §5.1.1": {
        "a header that is none": seq(seq(), tagged(21, seq())),
        "a sender that is none": replace(Draft(GENM, seq()), sender=tagged(4, b"")).written(),
    },
    "RFC 5280 §4.2.1.6": {"a mail address for a name": seq(seq(number(2), value(0x9F, b"x"), directory()), tagged(21, seq()))},
    "RFC 9810 §5.1.2": {"a body that is none": seq(HEADER, seq()), "a body of no kind": seq(HEADER, tagged(27, seq()))},
    "RFC 9810 §5.1.3": {"a protection of odd bits": seq(HEADER, tagged(21, seq()), tagged(0, value(0x03, b"\x01\x02")))},
    "X.690 §8.1.3.5": {"a length of a terabyte": b"\x30\x85\xff\xff\xff\xff\xff"},
    "X.690 §10.1": {"an indefinite length": b"\x30\x80" + VALID[2:] + b"\x00\x00"},
}


@pytest.mark.parametrize(
    "octets_",
    [pytest.param(made, id=f"{rule}: {name}") for rule, named in NO_MESSAGES.items() for name, made in named.items()],
)
def test_what_is_no_message_gets_http_400(world: World, octets_: bytes) -> None:
    """RFC 9811 §3.1: nobody can be answered in CMP, so HTTP says it."""
    response = world.post(octets_)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")


HTTP = [
    pytest.param(VALID, {"media_type": "application/octet-stream"}, 415, id="RFC 9811 §3.2: another media type"),
    pytest.param(VALID, {"media_type": ""}, 415, id="RFC 9811 §3.2: no media type"),
    pytest.param(bytes(LARGEST + 1), {}, 413, id="RFC 9110 §15.5.14: larger than any message"),
    pytest.param(bytes(LARGEST), {}, 400, id="RFC 9811 §3.1: as large as a message may be, and none"),
    pytest.param(VALID, {"path": "/.well-known/cmp/unknown"}, 404, id="RFC 9811 §3.4: no such operation"),
    pytest.param(VALID, {"path": "/.well-known/cmp/p/a/unknown"}, 404, id="RFC 9811 §3.4: no such operation of a profile"),
    pytest.param(VALID, {"path": "/.well-known/cmp/p/"}, 404, id="RFC 9811 §3.4: a profile without a name"),
    pytest.param(VALID, {"path": "/.well-known/cmp/p/a%20b"}, 404, id="RFC 9811 §3.4: a profile of other characters"),
]


@pytest.mark.parametrize(("octets_", "posted", "status"), HTTP)
def test_http_refuses_what_is_not_posted_as_cmp(world: World, octets_: bytes, posted: dict[str, str], status: int) -> None:
    assert world.post(octets_, **posted).status_code == status


def test_a_message_is_posted_and_nothing_else(world: World) -> None:
    """RFC 9811 §3.1, RFC 9110 §15.5.6."""
    answer = world.client.get("/.well-known/cmp")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")


LISTS_OF_OTHERS = {
    "elsewhere": "http://elsewhere.example.jp/crl/issuing-1.crl",
    "beside our lists": "http://localhost:8080/crl/../x.crl",
    "no address": "\x00",
    "nothing": "",
}


@pytest.mark.parametrize("address", LISTS_OF_OTHERS.values(), ids=LISTS_OF_OTHERS.keys())
def test_lists_of_others_are_not_given(world: World, address: str) -> None:
    """RFC 9483 §4.3.4: a list that is not ours to give is absent."""
    terminal = world.terminal()
    source = tagged(0, tagged(0, value(0x86, address.encode())))
    [told] = world.send(terminal.draft(seq(info(f"{IT}.22", seq(seq(source)))), GENM), terminal.secret).content
    assert not told["infoValue"].hasValue()


def test_the_secret_is_guessed_no_better_by_cmp(world: World) -> None:
    """RFC 9810 §8.7: what protects a message by a shared secret is as strong as its guessing is slow."""
    terminal = world.terminal()
    wrong = replace(terminal.draft(), protect=lambda _part: bytes(32))
    told = [world.send(replace(wrong, transaction=bytes((n,)) * 16)).fail_info for n in range(5)]
    assert told == ["badMessageCheck"] * 5
    locked = world.send(terminal.draft(), terminal.secret)
    assert (locked.fail_info, locked.protection) == ("systemUnavail", "signature")
    assert locked.texts[0].startswith("throttled: ")
    with pytest.raises(Refused, match="throttled"):
        world.house.redemption.redeem(terminal.codes, new_request().pem, SOURCE)


def test_an_unknown_access_key_is_answered_like_a_wrong_secret(world: World) -> None:
    """RFC 9483 §3.5: badMessageCheck, whichever of the two it is."""
    terminal = world.terminal()
    unknown = replace(terminal.draft(), sender_key=b"9999999999999")
    wrong = replace(terminal.draft(), protect=lambda _part: bytes(32))
    told = [world.send(draft) for draft in (unknown, wrong)]
    assert len({(one.body, one.fail_info, tuple(one.texts), one.protection) for one in told}) == 1
