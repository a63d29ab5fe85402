"""Which requests for certificates are refused, and by which failInfo (RFC 4211, RFC 9483 §4.1)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding

from tests.enrollment.protocols.cmp.conftest import ByCodes, World, assert_nothing_happened, new_key
from tests.enrollment.protocols.cmp.writing import (
    ECDSA_SHA256,
    KUR,
    NULL,
    P10CR,
    RSA_SHA256,
    Request,
    algorithm,
    bits,
    directory,
    implicit,
    oid,
    seq,
    signature_of,
    signing,
    spki,
    tagged,
    value,
)
from tests.support.house import PREPARER, new_request

OTHER = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another CA")])
RSA_1024 = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 (it is refused)
SHA1_ECDSA = "1.2.840.10045.4.1"
ARCHIVE = "1.3.6.1.5.5.7.5.1.4"


Asked = Callable[[ByCodes], bytes]


def request(**changes: object) -> Asked:
    return lambda terminal: seq(Request(terminal.key, **changes).written())  # type: ignore[arg-type]


def template(*parts: bytes) -> Asked:
    def make(terminal: ByCodes) -> bytes:
        fields = sorted((*parts, implicit(6, spki(terminal.key))), key=lambda part: part[0] & 0x1F)
        return seq(Request(terminal.key, template=tuple(fields)).written())

    return make


def of_key(key: object) -> Asked:
    return lambda _terminal: seq(Request(key).written())


def unproven(key: object) -> Asked:
    """Ask for a key that can not sign, by another key's signature."""

    def make(terminal: ByCodes) -> bytes:
        asked = Request(key)
        return seq(replace(asked, possession=signature_of(terminal.key, asked.certificate_request)).written())

    return make


def with_input(terminal: ByCodes) -> bytes:
    named, sign = signing(terminal.key)
    more = implicit(0, seq(tagged(0, directory()), spki(terminal.key)))
    asked = Request(terminal.key)
    return seq(replace(asked, possession=implicit(1, seq(more, named, bits(sign(asked.certificate_request))))).written())


def misnamed(terminal: ByCodes) -> bytes:
    asked = Request(terminal.key)
    _, sign = signing(terminal.key)
    proof = implicit(1, seq(algorithm(RSA_SHA256, NULL), bits(sign(asked.certificate_request))))
    return seq(replace(asked, possession=proof).written())


def weakly(terminal: ByCodes) -> bytes:
    proof = implicit(1, seq(algorithm(SHA1_ECDSA), bits(b"signature")))
    return seq(Request(terminal.key, possession=proof).written())


def twice(terminal: ByCodes) -> bytes:
    return seq(Request(terminal.key).written(), Request(new_key()).written())


def spoilt_key(terminal: ByCodes) -> bytes:
    fields = (implicit(6, seq(algorithm("1.2.840.10045.2.1", oid("1.2.840.10045.3.1.7")), bits(b"\x04" + bytes(64)))),)
    return seq(Request(terminal.key, template=fields).written())


ENCRYPTED = value(0xA2, value(0x81, b"\x00"))
REQUESTS = {
    "RFC 9483 §4.1.1: one CertReqMsg": {"badRequest": {"two": twice}, "badDataFormat": {"garbage": lambda _one: b"\x30\x01\x00"}},
    "RFC 9483 §4.1.1: certReqId": {"badRequest": {"one": request(request_id=1), "minus one": request(request_id=-1)}},
    "RFC 9483 §4.1.1: popo": {
        "badPOP": {
            "absent": request(possession=b""),
            "keyEncipherment": request(possession=ENCRYPTED),
            "keyAgreement": request(possession=value(0xA3, value(0x81, b"\x00"))),
            "of another key": unproven(new_key()),
            "by the name of another algorithm": misnamed,
            "by SHA-1": weakly,
            "over poposkInput": with_input,
            "of a key that can not sign": unproven(x25519.X25519PrivateKey.generate()),
        },
        "notAuthorized": {"raVerified": request(possession=b"\x80\x00")},
    },
    "RFC 4211 §5: CertTemplate": {
        "badCertTemplate": {
            "no key": request(template=()),
            "version 1": template(value(0x80, b"\x00")),
            "serialNumber": template(value(0x81, b"\x01")),
            "signingAlg": template(implicit(2, algorithm(ECDSA_SHA256))),
            "issuerUID": template(value(0x87, b"\x00\x01")),
            "subjectUID": template(value(0x88, b"\x00\x01")),
            "a point that is none": spoilt_key,
        },
        "wrongAuthority": {"another issuer": template(tagged(3, OTHER.public_bytes()))},
    },
    "RFC 9810 §5.2.3: keys": {
        "badCertTemplate": {"RSA-1024": of_key(RSA_1024)},
        "badAlg": {"P-521": of_key(ec.generate_private_key(ec.SECP521R1()))},
    },
    "RFC 4211 §6.4: archives": {"badRequest": {"pkiArchiveOptions": request(controls=seq(seq(oid(ARCHIVE), NULL)))}},
}
ASKED = [
    pytest.param(make, fail_info, id=f"{rule}: {name}")
    for rule, told in REQUESTS.items()
    for fail_info, named in told.items()
    for name, make in named.items()
]


@pytest.mark.parametrize(("make", "fail_info"), ASKED)
def test_a_request_is_refused(world: World, make: Asked, fail_info: str) -> None:
    terminal = world.terminal()
    answer = world.send(terminal.draft(make(terminal)), terminal.secret)
    assert (answer.body, answer.protection, answer.fail_info) == ("ip", "PBM", fail_info)
    assert int(answer.status["status"]) == 2
    assert_nothing_happened(world, terminal)


def test_no_request_at_all_is_refused(world: World) -> None:
    """RFC 4211 §3: CertReqMessages has one or more."""
    terminal = world.terminal()
    assert world.send(terminal.draft(seq()), terminal.secret).fail_info in {"badDataFormat", "badRequest"}


def csr(key: object, *, spoil: bool = False) -> bytes:
    der = x509.load_pem_x509_csr(new_request(key).pem).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    return der[:-1] + bytes((der[-1] ^ 1,)) if spoil else der


@pytest.mark.parametrize(
    ("body", "fail_info"),
    [
        pytest.param(b"\x30\x00", "badDataFormat", id="RFC 9483 §4.1.4: empty"),
        pytest.param(b"", "badDataFormat", id="RFC 9483 §4.1.4: nothing"),
        pytest.param(csr(new_key(), spoil=True), "badPOP", id="RFC 9483 §4.1.4: signature"),
        pytest.param(csr(RSA_1024), "badCertTemplate", id="RFC 9483 §4.1.4: key"),
    ],
)  # fmt: skip
def test_a_pkcs10_request_is_refused(world: World, body: bytes, fail_info: str) -> None:
    terminal = world.terminal()
    answer = world.send(terminal.draft(body, P10CR), terminal.secret)
    assert (answer.body, answer.fail_info, int(answer.content["response"][0]["certReqId"])) == ("cp", fail_info, -1)


def test_kur_by_codes_is_refused(world: World) -> None:
    """RFC 9483 §4.1.3: signed by the certificate that is updated."""
    terminal = world.terminal()
    answer = world.send(terminal.draft(kind=KUR), terminal.secret)
    assert (answer.body, answer.fail_info) == ("kup", "wrongIntegrity")


def test_a_transaction_is_not_begun_twice(world: World) -> None:
    """RFC 9483 §3.5: a transactionID that is in use."""
    terminal = world.terminal()
    draft = terminal.draft()
    assert world.send(draft, terminal.secret).body == "ip"
    for again in (draft, replace(world.terminal().draft(), transaction=draft.transaction)):
        answer = world.client.post("/.well-known/cmp", data=again.written(), content_type="application/pkixcmp")
        assert b"transactionID was used before" in answer.data


def test_a_refused_request_leaves_its_transaction_free(world: World) -> None:
    """RFC 9483 §3.5: a transactionID is in use by what was begun, not by what was refused."""
    terminal = world.terminal()
    draft = terminal.draft()
    world.house.notices.freeze(None, "NAC001", _terminal_of(world, terminal), PREPARER)
    first, again = (world.send(draft, terminal.secret) for _ in range(2))
    assert [first.fail_info, again.fail_info] == ["notAuthorized"] * 2


def test_spent_codes_give_another_key_nothing(world: World) -> None:
    """RFC 9810 §5.2.3 duplicateCertReq."""
    terminal = world.terminal()
    world.send(terminal.draft(), terminal.secret)
    answer = world.send(ByCodes(terminal.codes).draft(), terminal.secret)
    assert (answer.body, answer.fail_info) == ("ip", "duplicateCertReq")


def test_a_key_of_another_certificate_is_refused(world: World) -> None:
    """RFC 9810 §5.2.3 badCertTemplate."""
    terminal = world.terminal()
    world.send(terminal.draft(), terminal.secret)
    other = ByCodes(world.terminal().codes, terminal.key)
    answer = world.send(other.draft(), other.secret)
    assert (answer.body, answer.fail_info) == ("ip", "badCertTemplate")


def _terminal_of(world: World, terminal: ByCodes) -> str:
    numbers = count(99999, -1)
    names = (f"{one:05}W" for one in numbers)
    return next(name for name in names if _has_codes(world, name, terminal))


def _has_codes(world: World, name: str, terminal: ByCodes) -> bool:
    try:
        return world.house.codes_of(name) == terminal.codes
    except LookupError:
        return False
