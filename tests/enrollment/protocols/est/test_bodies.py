"""EST's bodies, read and written without any connection."""

import base64
from email import message_from_bytes
from email.policy import HTTP

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, pkcs7
from flask import Flask

from ca.der import elements
from ca.requests import read
from enrollment.codes import Codes
from enrollment.protocols.est import bodies
from enrollment.protocols.est import door as est
from enrollment.protocols.est.door import EstDoor
from enrollment.protocols.est.server_keys import ServerKeys
from tests.support.house import House, new_request

CSR = x509.load_pem_x509_csr(new_request().pem).public_bytes(Encoding.DER)
ONE_LINE = base64.b64encode(CSR)


@pytest.mark.parametrize(
    "body",
    [ONE_LINE, base64.encodebytes(CSR), ONE_LINE + b"\r\n", b" " + ONE_LINE, ONE_LINE[:9] + b"\t" + ONE_LINE[9:]],
    ids=["one line", "broken lines", "CRLF at the end", "a blank before", "a tab within"],
)
def test_line_breaks_do_not_count(body: bytes) -> None:
    assert bodies.decode(body) == CSR


def test_what_is_written_is_one_line() -> None:
    assert bodies.encode(CSR * 9).count(b"\n") == 0
    assert bodies.decode(bodies.encode(CSR)) == CSR


def test_the_attributes_are_hints_in_the_corrected_syntax() -> None:
    """RFC 8951 §4: a sequence of attributes and object identifiers."""
    key, signature = elements(bodies.decode(bodies.csr_attributes()))
    kind, curves = elements(key)
    found = [core.ObjectIdentifier.load(one).native for one in (kind, *elements(curves), signature)]
    assert found == ["1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"]


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_a_password_may_have_colons_and_other_letters(scheme: str) -> None:
    sent = base64.b64encode("鍵:a:b".encode()).decode()
    assert bodies.basic(f"{scheme} {sent}") == bodies.Basic("鍵", "a:b")


def test_a_password_is_not_shown() -> None:
    assert "geheim" not in repr(bodies.Basic("a", "geheim"))


def test_a_made_key_fits_its_certificate_and_comes_again_for_the_same_asker(shared_house: House) -> None:
    """RFC 7030 §4.4.2: multipart, the key first."""
    app = Flask("est", static_folder=None)
    est.mount(app, EstDoor(shared_house.redemption, None, ServerKeys(shared_house.hasher)))
    [(_, codes)] = shared_house.new_codes()
    answers = [_made(app, codes, ONE_LINE) for _ in range(2)]
    assert answers[0] == answers[1]
    key, [certificate] = load_der_private_key(answers[0][0], None), pkcs7.load_der_pkcs7_certificates(answers[0][1])
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate.public_key()
    assert certificate.public_key() != x509.load_der_x509_csr(CSR).public_key()
    other = app.test_client().post(
        "/.well-known/est/serverkeygen", data=base64.b64encode(_request()), headers=_headers(codes)
    )  # fmt: skip
    assert other.status_code == 409


def test_made_keys_differ_by_codes_by_asker_and_by_house(shared_house: House) -> None:
    [(_, codes), (_, others)] = shared_house.new_codes(2)
    asker, another = read(CSR), read(_request())
    keys = ServerKeys(shared_house.hasher)
    elsewhere = ServerKeys(type(shared_house.hasher)(b"another secret of thirty-two octs"))
    made = [keys.make(codes, asker), keys.make(others, asker), keys.make(codes, another), elsewhere.make(codes, asker)]
    assert len({one.pkcs8 for one in made}) == len(made)
    assert keys.make(codes, asker).pkcs8 == made[0].pkcs8


def _headers(codes: Codes) -> dict[str, str]:
    password = f"{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{codes.office_code}"
    user = base64.b64encode(f"{codes.access_key}:{password}".encode()).decode()
    return {"Authorization": f"Basic {user}", "Content-Type": "application/pkcs10"}


def _made(app: Flask, codes: Codes, body: bytes) -> tuple[bytes, bytes]:
    answer = app.test_client().post("/.well-known/est/serverkeygen", data=body, headers=_headers(codes))
    assert answer.status_code == 200
    whole = b"Content-Type: " + answer.content_type.encode() + b"\r\n\r\n" + answer.get_data()
    key, certificate = message_from_bytes(whole, policy=HTTP).iter_parts()
    assert key.get_content_type() == "application/pkcs8"
    assert certificate.get_content_type() == "application/pkcs7-mime"
    assert certificate.get_param("smime-type") == "certs-only"
    return key.get_content(), certificate.get_content()


def _request() -> bytes:
    return x509.load_pem_x509_csr(new_request().pem).public_bytes(Encoding.DER)
