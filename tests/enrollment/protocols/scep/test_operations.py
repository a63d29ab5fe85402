"""What SCEP does when all is well, by messages of our own client."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from asn1crypto.cms import ContentInfo
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding

from ca.ceremony import Ceremony
from ca.der import BIT_STRING, SEQUENCE, tlv
from ca.plan import ISSUING_CRL, AuthorityPlan
from enrollment.protocols.scep.cms import read_signed
from enrollment.protocols.scep.operations import Operations
from tests.support.clock import SettableClock
from tests.support.house import SOURCE, House, new_request
from tests.support.scep_client import (
    CERT_POLL,
    DES3,
    GET_CERT,
    GET_CRL,
    RECIPIENT_NONCE,
    RENEWAL_REQ,
    SENDER_NONCE,
    SIGNING_TIME,
    TRANSACTION_ID,
    Draft,
    Sealed,
    Told,
    challenge_of,
    client_key,
    message,
    named,
    read_answer,
    request_of,
    self_signed,
    signed_by,
)
from tests.support.scep_door import operations_of

AES_256 = "2.16.840.1.101.3.4.1.42"


@pytest.fixture(scope="module")
def operations(shared_house: House) -> Operations:
    return operations_of(shared_house)


def ask(operations: Operations, draft: Draft | bytes, key: rsa.RSAPrivateKey | None = None) -> Told:
    encoded = draft if isinstance(draft, bytes) else draft.der()
    answer = operations.answer(encoded, SOURCE)
    return read_answer(answer, operations.registration().certificate, key or client_key())


def enrolled(house: House) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """Return a terminal's RSA key and certificate."""
    key = rsa.generate_private_key(65537, 2048)
    return key, x509.load_der_x509_certificate(house.issue(request=new_request(key)).certificate.der or b"")


def test_codes_give_a_certificate_and_the_same_again(operations: Operations, shared_house: House) -> None:
    key = rsa.generate_private_key(65537, 2048)
    [(terminal, codes)] = shared_house.new_codes()
    sealed = Sealed(request_of(key, challenge_of(codes)), operations.registration().certificate)
    draft = signed_by(key, self_signed(key), sealed.der())
    first, again = (ask(operations, draft, key) for _ in range(2))
    assert first.status == "0"
    assert first.certificates == again.certificates
    [certificate] = first.certificates
    assert certificate.public_key() == key.public_key()
    assert terminal in certificate.subject.rfc4514_string()
    assert first.attributes[TRANSACTION_ID] == "a transaction"
    assert first.attributes[RECIPIENT_NONCE] == b"a nonce of 16 o."
    assert first.attributes[SENDER_NONCE] != again.attributes[SENDER_NONCE]
    assert first.signature_algorithm == "1.2.840.113549.1.1.1"


@pytest.mark.parametrize(("cipher", "size"), [("2.16.840.1.101.3.4.1.2", 16), (AES_256, 32), (DES3, 24)])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_the_answer_is_made_as_the_question_was(
    operations: Operations, shared_house: House, cipher: str, size: int, digest: str
) -> None:
    """RFC 8894 §3.5.2: a client that asks with DES3 and SHA-1 may know nothing else."""
    [(_, codes)] = shared_house.new_codes()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    sealed = Sealed(request_of(elliptic, challenge_of(codes)), operations.registration().certificate)
    sealed.cipher, sealed.key = cipher, os.urandom(size)
    draft = signed_by(client_key(), self_signed(client_key()), sealed.der())
    draft.digest = digest
    told = ask(operations, draft)
    assert (told.status, told.cipher, told.digest) == ("0", cipher, digest)
    assert told.certificates[0].public_key() == elliptic.public_key()


def test_an_old_clients_request_may_be_signed_by_sha1(operations: Operations, shared_house: House) -> None:
    key = rsa.generate_private_key(65537, 2048)
    [(_, codes)] = shared_house.new_codes()
    by_sha256 = request_of(key, challenge_of(codes))
    info = x509.load_der_x509_csr(by_sha256).tbs_certrequest_bytes
    sealed = Sealed(_signed_by_sha1(info, key), operations.registration().certificate)
    assert ask(operations, signed_by(key, self_signed(key), sealed.der()), key).status == "0"
    spoilt = Sealed(_signed_by_sha1(info, client_key()), operations.registration().certificate)
    assert ask(operations, signed_by(key, self_signed(key), spoilt.der()), key).fail_info == "1"


def test_pieces_and_open_lengths_are_read(operations: Operations, shared_house: House) -> None:
    [(_, codes)] = shared_house.new_codes()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    request = request_of(elliptic, challenge_of(codes))
    draft = message(request, operations.registration().certificate)
    draft.content = in_pieces(draft.content or b"")
    assert ask(operations, in_pieces(draft.der())).status == "0"


def test_a_renewal_is_signed_by_the_current_certificate(operations: Operations, shared_house: House) -> None:
    key, certificate = enrolled(shared_house)
    clock = SettableClock(certificate.not_valid_after_utc - timedelta(days=10))
    house = replace(shared_house, clock=clock)
    later = replace(operations, redemption=house.redemption, renewal=house.renewal)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    sealed = Sealed(request_of(elliptic), later.registration().certificate)
    first, again = (ask(later, signed_by(key, certificate, sealed.der(), RENEWAL_REQ), key) for _ in range(2))
    assert first.status == "0", first.text
    assert first.certificates == again.certificates
    assert first.certificates[0].public_key() == elliptic.public_key()
    assert first.certificates[0].not_valid_after_utc > certificate.not_valid_after_utc


def test_a_poll_gives_the_certificate_of_the_key_that_signed(operations: Operations, shared_house: House) -> None:
    key, certificate = enrolled(shared_house)
    sealed = Sealed(poll(operations), operations.registration().certificate)
    told = ask(operations, signed_by(key, self_signed(key), sealed.der(), CERT_POLL), key)
    assert told.certificates == [certificate]


def test_a_terminal_is_given_its_certificate_by_number(operations: Operations, shared_house: House) -> None:
    key, certificate = enrolled(shared_house)
    sealed = Sealed(named(certificate).dump(), operations.registration().certificate)
    for signer in (certificate, self_signed(key)):
        assert ask(operations, signed_by(key, signer, sealed.der(), GET_CERT), key).certificates == [certificate]


def test_the_list_of_a_certificate_is_given_to_anybody(operations: Operations, shared_house: House) -> None:
    shared_house.crl.publish_if_due(shared_house.clock.now())
    _, certificate = enrolled(shared_house)
    for asked in (certificate, operations.registration().certificate, shared_house.issuing.issuer.certificate):
        draft = message(named(asked).dump(), operations.registration().certificate, GET_CRL)
        [encoded] = ask(operations, draft).lists
        found = x509.load_der_x509_crl(encoded)
        assert found.issuer == asked.issuer


def test_whoever_builds_a_chain_gets_all_of_it(operations: Operations, shared_house: House) -> None:
    data = ContentInfo.load(operations.ca_certificates())["content"]
    found = {x509.load_der_x509_certificate(one.dump()) for one in data["certificates"]}
    house = shared_house
    assert found == {operations.registration().certificate, house.issuing.issuer.certificate, house.root.certificate}
    assert len(data["signer_infos"]) == 0


def test_no_next_authority_is_told_where_none_comes(operations: Operations) -> None:
    assert operations.next_ca_certificates() is None


def test_the_next_authority_is_told_signed(house: House) -> None:
    """RFC 8894 §4.7.1: whoever trusts today's registration authority learns of tomorrow's authority by it."""
    operations, begin = operations_of(house), house.clock.now() + timedelta(days=30)
    coming = AuthorityPlan("issuing-2", "Trial Issuing 2", "p256", 10, "root", *ISSUING_CRL, issues_from=begin)
    grown = replace(house.plan, authorities=(*house.plan.authorities, coming))
    Ceremony(house.database, house.keys, grown).hold(house.clock.now())
    told = read_signed(operations.next_ca_certificates() or b"")
    assert told.verify().certificate == operations.registration().certificate.public_bytes(Encoding.DER)
    [certificate] = ContentInfo.load(told.content)["content"]["certificates"]
    assert certificate.chosen.subject.native["common_name"] == "Trial Issuing 2"


def test_a_clock_that_is_an_hour_off_does_no_harm(operations: Operations, shared_house: House) -> None:
    [(_, codes)] = shared_house.new_codes()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    draft = message(request_of(elliptic, challenge_of(codes)), operations.registration().certificate)
    said = shared_house.clock.now() - timedelta(hours=1)
    draft.set(SIGNING_TIME, core.UTCTime(said).dump())
    assert ask(operations, draft).status == "0"


def poll(operations: Operations) -> bytes:
    """Return the content of CertPoll: issuer and subject."""
    issuer = asn1_x509.Name.load(operations.registration().certificate.issuer.public_bytes())
    return bytes(core.SequenceOf([issuer, asn1_x509.Name.build({"common_name": "any"})], spec=asn1_x509.Name).dump())


def in_pieces(encoded: bytes) -> bytes:
    """Return DER as old clients write it (X.690 §8.1.3.6, §8.7.3): open lengths, octet strings of a thousand octets each."""
    tag, content = encoded[0], _content(encoded)
    if tag == 0x04 and len(content) > 1:
        pieces = [content[place : place + 1000] for place in range(0, len(content), 1000)]
        return b"\x24\x80" + b"".join(b"\x04\x82" + len(piece).to_bytes(2, "big") + piece for piece in pieces) + b"\0\0"
    if tag == 0x80 and len(content) > 20:
        return b"\xa0\x80\x04\x82" + len(content).to_bytes(2, "big") + content + b"\0\0"
    if not tag & 0x20 or content[:3] == b"\xa0\x03\x02" or encoded[5:8] == b"\xa0\x03\x02" or tag == 0x31:
        return encoded  # primitive, or what is signed: certificates, attributes
    return bytes([tag, 0x80]) + b"".join(map(in_pieces, _elements(content))) + b"\0\0"


def _content(encoded: bytes) -> bytes:
    return encoded[2:] if encoded[1] < 0x80 else encoded[2 + encoded[1] - 0x80 :]


def _elements(content: bytes) -> list[bytes]:
    found, place = [], 0
    while place < len(content):
        header, length = 2, content[place + 1]
        if length > 0x80:
            header += length - 0x80
            length = int.from_bytes(content[place + 2 : place + header], "big")
        found.append(content[place : place + header + length])
        place += header + length
    return found


def _signed_by_sha1(info: bytes, key: rsa.RSAPrivateKey) -> bytes:
    algorithm = bytes.fromhex("300d06092a864886f70d0101050500")
    signature = key.sign(info, PKCS1v15(), hashes.SHA1())  # noqa: S303
    return tlv(SEQUENCE, info + algorithm + tlv(BIT_STRING, b"\x00" + signature))
