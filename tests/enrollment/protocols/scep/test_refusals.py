"""What SCEP refuses, each case from a section of the RFCs: a failInfo, or nothing that could be answered at all.

The cases spoil one thing of a message that would be good; `MALFORMED` stands for HTTP's 400.
"""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from asn1crypto import cms as syntax
from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.der import BIT_STRING, OCTET_STRING, SEQUENCE, SET, UTF8_STRING, integer, tlv
from ca.revocation import Reason
from enrollment.codes import Codes
from enrollment.protocols.scep import cms
from enrollment.protocols.scep.failures import MalformedError
from enrollment.protocols.scep.operations import Operations
from tests.support.house import SECURITY, SOURCE, House, new_request
from tests.support.scep_client import (
    CERT_POLL,
    CONTENT_TYPE,
    GET_CERT,
    GET_CRL,
    MESSAGE_DIGEST,
    MESSAGE_TYPE,
    RECIPIENT_NONCE,
    RENEWAL_REQ,
    SENDER_NONCE,
    SIGNING_TIME,
    TRANSACTION_ID,
    Sealed,
    challenge_of,
    client_key,
    message,
    named,
    printable,
    read_answer,
    request_of,
    self_signed,
    signed_by,
)
from tests.support.scep_door import operations_of

MALFORMED, ALG, CHECK, REQUEST, TIME, CERT_ID = None, "0", "1", "2", "3", "4"
ELLIPTIC, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
WIDE = ec.generate_private_key(ec.SECP521R1())
GCM = "2.16.840.1.101.3.4.1.6"


class Asking:
    """A terminal that asks for its certificate, and what a case wants instead."""

    def __init__(self, operations: Operations, house: House, terminal: str, codes: Codes) -> None:
        self.operations, self.house, self.terminal, self.codes = operations, house, terminal, codes
        self.authority = operations.registration().certificate
        self.key = client_key()
        self.encoded: bytes | None = None
        self.seal(request_of(ELLIPTIC, challenge_of(codes)))

    def seal(self, content: bytes, message_type: str = "19") -> None:
        self.sealed = Sealed(content, self.authority)
        self.draft = message(content, self.authority, message_type)

    def sealed_anew(self) -> None:
        self.draft.content = self.sealed.der()

    def issued(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        """Return the certificate of another terminal."""
        return x509.load_der_x509_certificate(self.house.issue(request=new_request(key)).certificate.der or b"")

    def der(self) -> bytes:
        return self.draft.der() if self.encoded is None else self.encoded


Spoil = Callable[[Asking], object]


def octets(make: Callable[[bytes], bytes]) -> Spoil:
    """Spoil the whole message."""

    def spoil(asking: Asking) -> None:
        asking.encoded = make(asking.draft.der())

    return spoil


def attribute(kind: str, *values: bytes) -> Spoil:
    return lambda asking: asking.draft.set(kind, *values)


def no_attribute(kind: str) -> Spoil:
    return lambda asking: asking.draft.drop(kind)


def draft(**changes: object) -> Spoil:
    """Spoil what is signed around the envelope."""

    def spoil(asking: Asking) -> None:
        for name, value in changes.items():
            setattr(asking.draft, name, value)

    return spoil


def sealed(**changes: object) -> Spoil:
    """Spoil the envelope."""

    def spoil(asking: Asking) -> None:
        for name, value in changes.items():
            setattr(asking.sealed, name, value)
        asking.sealed_anew()

    return spoil


def content(make: Callable[[Asking], bytes], message_type: str = "19") -> Spoil:
    """Put another content into the envelope."""
    return lambda asking: asking.seal(make(asking), message_type)


def _twice(asking: Asking) -> None:
    asking.draft.more = [(TRANSACTION_ID, [printable("another")])]


def _two_signers(asking: Asking) -> None:
    asking.draft.infos = lambda one: [one, one]


def _no_attributes(asking: Asking) -> None:
    asking.draft.attributes = dict.fromkeys((*asking.draft.attributes, CONTENT_TYPE, MESSAGE_DIGEST))


def _another_signer(asking: Asking) -> None:
    asking.draft.certificates = [self_signed(OTHER_KEY, "somebody else")]


def _another_key(asking: Asking) -> None:
    asking.draft.key = OTHER_KEY


def _without_rsa(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> Spoil:
    def spoil(asking: Asking) -> None:
        asking.draft.key, asking.draft.certificate = key, self_signed(key)

    return spoil


def _at(days: int) -> Spoil:
    def spoil(asking: Asking) -> None:
        said = asking.house.clock.now() + timedelta(days=days)
        asking.draft.set(SIGNING_TIME, core.UTCTime(said).dump())

    return spoil


def _key_agreement(_transport: syntax.RecipientInfo) -> list[syntax.RecipientInfo]:
    info = {"version": "v4", "kekid": {"key_identifier": b"a"}, "key_encryption_algorithm": {"algorithm": "aes128_wrap"}}
    return [syntax.RecipientInfo("kekri", syntax.KEKRecipientInfo({**info, "encrypted_key": b"k" * 24}))]


def _other_name(transport: syntax.RecipientInfo) -> list[syntax.RecipientInfo]:
    transport.chosen["rid"] = syntax.RecipientIdentifier("issuer_and_serial_number", named(self_signed(OTHER_KEY)))
    transport.chosen["encrypted_key"] = OTHER_KEY.public_key().encrypt(b"k" * 16, PKCS1v15())
    return [transport]


def _padded_with(octet: int) -> Callable[[bytes, int], bytes]:
    return lambda plain, block: plain + bytes([octet]) * (block - len(plain) % block)


def _half_signed(request: bytes) -> bytes:
    return request[:-1] + bytes([request[-1] ^ 1])


def _request(asking: Asking, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = ELLIPTIC) -> bytes:
    return request_of(key, challenge_of(asking.codes))


def _challenged(*challenges: str) -> Spoil:
    return content(lambda _asking: request_of(ELLIPTIC, *challenges))


def _doubly_challenged(challenge: str) -> bytes:
    values = tlv(UTF8_STRING, challenge.encode()) * 2
    attribute = tlv(SEQUENCE, core.ObjectIdentifier("1.2.840.113549.1.9.7").dump() + tlv(SET, values))
    public = ELLIPTIC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = tlv(SEQUENCE, integer(0) + tlv(SEQUENCE, b"") + public + tlv(0xA0, attribute))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return tlv(SEQUENCE, info + algorithm + tlv(BIT_STRING, b"\x00" + ELLIPTIC.sign(info, ec.ECDSA(SHA256()))))


def _digested(whole: bytes) -> bytes:
    data, digested = (core.ObjectIdentifier(f"1.2.840.113549.1.7.{kind}").dump() for kind in (1, 5))
    return whole.replace(data, digested, 1)


def _wrong_codes(asking: Asking) -> bytes:
    return request_of(ELLIPTIC, challenge_of(asking.codes).replace(asking.codes.auth_code_3, "WRONG"))


def _spent(asking: Asking) -> None:
    asking.house.redemption.redeem(asking.codes, new_request().pem, SOURCE)


def _suspended(asking: Asking) -> None:
    asking.house.endings.suspend(asking.terminal, SECURITY)


def _renewing(asking: Asking, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    envelope = Sealed(request_of(key), asking.authority).der()
    asking.draft = signed_by(asking.key, certificate, envelope, RENEWAL_REQ)


def _renewal_by_nobody(asking: Asking) -> None:
    _renewing(asking, ELLIPTIC, self_signed(asking.key))


def _fresh(asking: Asking) -> x509.Certificate:
    asking.key = rsa.generate_private_key(65537, 2048)
    return asking.issued(asking.key)


def _renewal_too_early(asking: Asking) -> None:
    _renewing(asking, ec.generate_private_key(ec.SECP256R1()), _fresh(asking))


def _renewal_with_the_old_key(asking: Asking) -> None:
    certificate = _fresh(asking)
    _renewing(asking, asking.key, certificate)


def _name(certificate: x509.Certificate) -> str:
    return str(list(certificate.subject)[-1].value)


def _renewal_of_what_was_revoked(asking: Asking) -> None:
    certificate = _fresh(asking)
    asking.house.endings.revoke(_name(certificate), Reason.KEY_COMPROMISE, SECURITY)
    _renewing(asking, ELLIPTIC, certificate)


def _renewal_without_proof(asking: Asking) -> None:
    certificate = _fresh(asking)
    envelope = Sealed(_half_signed(request_of(ELLIPTIC)), asking.authority).der()
    asking.draft = signed_by(asking.key, certificate, envelope, RENEWAL_REQ)


def _poll(_asking: Asking) -> bytes:
    name = asn1_x509.Name.build({"common_name": "any"}).dump()
    return tlv(SEQUENCE, name + name)


def _poll_of_what_was_revoked(asking: Asking) -> None:
    certificate = _fresh(asking)
    asking.house.endings.revoke(_name(certificate), Reason.KEY_COMPROMISE, SECURITY)
    envelope = Sealed(_poll(asking), asking.authority).der()
    asking.draft = signed_by(asking.key, self_signed(asking.key), envelope, CERT_POLL)


def _of_another(asking: Asking) -> None:
    others = asking.issued(rsa.generate_private_key(65537, 2048))
    envelope = Sealed(named(others).dump(), asking.authority).der()
    asking.draft = signed_by(asking.key, _fresh(asking), envelope, GET_CERT)
    asking.draft.key = asking.key


def _foreign(_asking: Asking) -> bytes:
    return bytes(named(self_signed(OTHER_KEY)).dump())


def _unknown(asking: Asking) -> bytes:
    return tlv(SEQUENCE, asking.house.issuing.issuer.subject_der + integer(4711))


def _negative(asking: Asking) -> bytes:
    return tlv(SEQUENCE, asking.house.issuing.issuer.subject_der + b"\x02\x01\xff")


def _certs_only(asking: Asking) -> bytes:
    return cms.without_message([asking.authority])


CASES: list[tuple[str, Spoil, str | None]] = [
    ("RFC 8894 §3: nothing", octets(lambda _: b""), MALFORMED),
    ("RFC 8894 §3: text", octets(lambda _: b"-----BEGIN PKCS7-----"), MALFORMED),
    ("RFC 5652 §3: the content alone", octets(lambda whole: whole[19:]), MALFORMED),
    ("RFC 8894 §3.2: an envelope that nobody signed", lambda a: octets(lambda _: a.sealed.der())(a), MALFORMED),
    ("RFC 8894 §3.2: certificates and no signer", lambda a: octets(lambda _: _certs_only(a))(a), MALFORMED),
    ("X.690 §8.1.3: octets after the end", octets(lambda whole: whole + b"\x00"), MALFORMED),
    ("X.690 §8.1.3: cut off", octets(lambda whole: whole[:-1]), MALFORMED),
    ("X.690 §8.1.3.5: a length of five octets", octets(lambda whole: b"\x30\x85\x00\x00\x00\x00\x05" + whole), MALFORMED),
    ("X.690 §8.1.3.6: an open length without end", octets(lambda whole: b"\x30\x80" + whole[4:]), MALFORMED),
    ("X.690 §8.1.3.6: thousands of open lengths", octets(lambda _: b"\x30\x80" * 16_000), MALFORMED),
    ("X.690 §8.1.2.4: a tag of several octets", octets(lambda whole: b"\x3f\x81\x01" + whole[1:]), MALFORMED),
    ("X.690 §8.7.3: a string with a piece of another type", octets(lambda _: b"\x24\x80\x04\x00\x02\x01\x00\0\0"), MALFORMED),
    ("RFC 8894 §3.2: two signers", _two_signers, MALFORMED),
    ("RFC 8894 §3.2: no signed attributes", _no_attributes, MALFORMED),
    ("RFC 8894 §3.2.1: an attribute that stands twice", _twice, MALFORMED),
    ("RFC 8894 §3.2.1: an attribute of two values", attribute(MESSAGE_TYPE, printable("19"), printable("19")), MALFORMED),
    ("RFC 8894 §3.2.1: an attribute without value", attribute(MESSAGE_TYPE), MALFORMED),
    ("RFC 8894 §3.2: content that is not data", octets(_digested), MALFORMED),
    ("RFC 8894 §3.2.1.1: no transactionID", no_attribute(TRANSACTION_ID), MALFORMED),
    ("RFC 8894 §3.2.1.1: an empty transactionID", attribute(TRANSACTION_ID, printable("")), MALFORMED),
    ("RFC 8894 §3.2.1.1: another string type", attribute(TRANSACTION_ID, tlv(UTF8_STRING, b"a")), MALFORMED),
    ("RFC 8894 §3.2.1.1: without end", attribute(TRANSACTION_ID, printable("a" * 256)), MALFORMED),
    ("RFC 8894 §3.2.1.1: a control character", attribute(TRANSACTION_ID, printable("a\x00b")), MALFORMED),
    ("RFC 5652 §5.1: eleven certificates", draft(certificates=[self_signed(OTHER_KEY, f"n{n}") for n in range(11)]), MALFORMED),
    ("RFC 8894 §3.2.1.2: no messageType", no_attribute(MESSAGE_TYPE), REQUEST),
    ("RFC 8894 §3.2.1.2: CertRep to a CA", attribute(MESSAGE_TYPE, printable("3")), REQUEST),
    ("RFC 8894 §3.2.1.2: the UpdateReq of old drafts", attribute(MESSAGE_TYPE, printable("18")), REQUEST),
    ("RFC 8894 §3.2.1.2: a number that is not written so", attribute(MESSAGE_TYPE, printable("019")), REQUEST),
    ("RFC 8894 §3.2.1.2: an integer", attribute(MESSAGE_TYPE, integer(19)), REQUEST),
    ("RFC 8894 §3.2.1.5: no senderNonce", no_attribute(SENDER_NONCE), REQUEST),
    ("RFC 8894 §3.2.1.5: fifteen octets", attribute(SENDER_NONCE, tlv(OCTET_STRING, b"n" * 15)), REQUEST),
    ("RFC 8894 §3.2.1.5: seventeen octets", attribute(SENDER_NONCE, tlv(OCTET_STRING, b"n" * 17)), REQUEST),
    ("RFC 8894 §3.2.1.5: a string of letters", attribute(SENDER_NONCE, printable("n" * 16)), REQUEST),
    ("RFC 5652 §5.1: no certificate of the signer", draft(certificates=[]), CHECK),
    ("RFC 5652 §5.3: the certificate of another signer", _another_signer, CHECK),
    ("RFC 5652 §11.1: no contentType", no_attribute(CONTENT_TYPE), CHECK),
    ("RFC 5652 §11.1: another contentType", attribute(CONTENT_TYPE, syntax.ContentType("enveloped_data").dump()), CHECK),
    ("RFC 5652 §11.2: no messageDigest", no_attribute(MESSAGE_DIGEST), CHECK),
    ("RFC 5652 §11.2: another messageDigest", attribute(MESSAGE_DIGEST, tlv(OCTET_STRING, bytes(32))), CHECK),
    ("RFC 5652 §5.6: signed by another key", _another_key, CHECK),
    ("RFC 5652 §5.6: a signature of zeros", draft(signature=lambda one: bytes(len(one))), CHECK),
    ("RFC 5652 §5.6: an empty signature", draft(signature=lambda _: b""), CHECK),
    ("RFC 5652 §5.4: signed with the tag that is sent", draft(signed=lambda one: b"\xa0" + one[1:]), CHECK),
    ("RFC 5652 §5.4: signed without tag and length", draft(signed=lambda one: one[4:]), CHECK),
    ("RFC 8894 §2.9: MD5", draft(digest_algorithm="md5"), ALG),
    ("RFC 8894 §3.5.2: SHA-224", draft(digest_algorithm="sha224"), ALG),
    ("RFC 5754 §3.2: a signature with another digest", draft(signature_algorithm="1.2.840.113549.1.1.13"), ALG),
    ("RFC 8894 §3.2.1.4: RSASSA-PSS", draft(signature_algorithm="1.2.840.113549.1.1.10"), ALG),
    ("RFC 8894 §3.2.1.4: ECDSA", draft(signature_algorithm="1.2.840.10045.4.3.2"), ALG),
    ("RFC 8894 §3.1: an elliptic signer", _without_rsa(ELLIPTIC), ALG),
    ("RFC 8894 §3.1: an Edwards signer", _without_rsa(ed25519.Ed25519PrivateKey.generate()), ALG),
    ("RFC 8894 §3.2.1.4: signed the day before yesterday", _at(-2), TIME),
    ("RFC 8894 §3.2.1.4: signed the day after tomorrow", _at(2), TIME),
    ("RFC 5652 §11.3: a time that is none", attribute(SIGNING_TIME, printable("noon")), CHECK),
    ("RFC 5652 §11.3: the thirteenth month", attribute(SIGNING_TIME, b"\x17\x0d261301000000Z"), CHECK),
    ("RFC 8894 §3.2.2: no envelope", draft(content=None), CHECK),
    ("RFC 8894 §3.2.2: an envelope of no ASN.1", draft(content=b"envelope"), CHECK),
    ("RFC 8894 §3.1: a request that nobody encrypted", lambda a: draft(content=_request(a))(a), CHECK),
    ("RFC 8894 §3.2.2: certificates instead of an envelope", lambda a: draft(content=_certs_only(a))(a), CHECK),
    ("RFC 5652 §6.1: no recipient", sealed(recipients=lambda _: []), CHECK),
    ("RFC 5652 §6.1: five recipients", sealed(recipients=lambda one: [one] * 5), CHECK),
    ("RFC 5652 §6.2.3: a key that both should have", sealed(recipients=_key_agreement), CHECK),
    ("RFC 5652 §6.2.1: to somebody else", sealed(recipients=_other_name), CHECK),
    ("RFC 5652 §6.2.1: by another's key", sealed(to=OTHER_KEY.public_key()), CHECK),
    ("RFC 5652 §6.2.1: an encrypted key that is too short", sealed(encrypted_key=b"short"), CHECK),
    ("RFC 5652 §6.2.1: an encrypted key that is too long", sealed(encrypted_key=b"\x01" * 385), CHECK),
    ("RFC 5652 §6.2.1: an encrypted key beyond the modulus", sealed(encrypted_key=b"\xff" * 384), CHECK),
    ("RFC 5652 §6.2.1: an encrypted key of zeros", sealed(encrypted_key=bytes(384)), CHECK),
    ("RFC 3565 §4.1: a key of another length", sealed(key=b"k" * 24), CHECK),
    ("RFC 8894 §2.9: single DES", sealed(cipher="1.3.14.3.2.7", key=b"k" * 16, vector=b"v" * 16), ALG),
    ("RFC 8894 §3.5.2: Camellia", sealed(cipher="1.2.392.200011.61.1.1.1.2"), ALG),
    ("RFC 8894 §3.5.2: AES in another mode", sealed(cipher=GCM), ALG),
    ("RFC 3560 §3: RSAES-OAEP", sealed(key_algorithm=syntax.KeyEncryptionAlgorithm({"algorithm": "rsaes_oaep"})), ALG),
    ("RFC 3565 §4.1: a vector that is too short", sealed(vector=b"v" * 8), CHECK),
    ("RFC 5652 §6.1: no content", sealed(encrypted=b""), CHECK),
    ("RFC 5652 §6.3: no whole block", sealed(encrypted=b"e" * 17), CHECK),
    ("RFC 5652 §6.3: a padding of zeros", sealed(padding=_padded_with(0)), CHECK),
    ("RFC 5652 §6.3: a padding that is too long", sealed(padding=_padded_with(17)), CHECK),
    ("RFC 5652 §6.3: noise", sealed(encrypted=os.urandom(512)), CHECK),
    ("RFC 2986 §4.2: no request", content(lambda _: b"no request"), CHECK),
    ("RFC 2986 §4.2: octets after the request", content(lambda a: _request(a) + b"\x05\x00"), CHECK),
    ("RFC 2986 §4.2: a signature that is wrong", content(lambda a: _half_signed(_request(a))), CHECK),
    ("RFC 8894 §2.3: the request of another RSA key", content(lambda a: _request(a, OTHER_KEY)), CHECK),
    ("RFC 2985 §5.4.1: two challenges", content(lambda a: _doubly_challenged(challenge_of(a.codes))), CHECK),
    ("RFC 8894 §2.4: no challenge", _challenged(), REQUEST),
    ("RFC 8894 §2.4: an empty challenge", _challenged(""), REQUEST),
    ("RFC 8894 §2.4: a challenge of four parts", _challenged("1234567890123-NAC999W-AAAAAA-BBBBB"), REQUEST),
    ("RFC 8894 §2.4: a challenge of six parts", _challenged("1234567890123-NAC999W-AAAAAA-BBBBB-NAC001-X"), REQUEST),
    ("RFC 8894 §2.4: a challenge without end", _challenged("1234567890123-" + "A" * 2000), REQUEST),
    ("RFC 8894 §3.3.1: wrong codes", content(_wrong_codes), REQUEST),
    ("RFC 8894 §3.3.1: codes that another key has spent", _spent, REQUEST),
    ("RFC 8894 §3.3.1: a terminal that is suspended", _suspended, REQUEST),
    ("RFC 8894 §3.3.1: a curve that is not accepted", content(lambda a: _request(a, WIDE)), ALG),
    ("RFC 8894 §3.3.1: renewal by who has no certificate", _renewal_by_nobody, CERT_ID),
    ("RFC 8894 §3.3.1: renewal of what was revoked", _renewal_of_what_was_revoked, CERT_ID),
    ("RFC 8894 §3.3.1: renewal outside the window", _renewal_too_early, REQUEST),
    ("RFC 8894 §3.3.1: renewal with the old key", _renewal_with_the_old_key, REQUEST),
    ("RFC 8894 §3.3.1: renewal without proof of the new key", _renewal_without_proof, CHECK),
    ("RFC 8894 §3.3.3: a poll for what nobody asked", content(_poll, CERT_POLL), CERT_ID),
    ("RFC 8894 §3.3.3: a poll for what was revoked", _poll_of_what_was_revoked, CERT_ID),
    ("RFC 8894 §3.3.3: a poll that names nobody", content(lambda _: b"\x30\x00", CERT_POLL), CHECK),
    ("RFC 8894 §3.3.3: a poll with a request", content(_request, CERT_POLL), CHECK),
    ("RFC 8894 §3.3.4: an unknown serial number", content(_unknown, GET_CERT), CERT_ID),
    ("RFC 8894 §3.3.4: a serial number below zero", content(_negative, GET_CERT), CERT_ID),
    ("RFC 8894 §3.3.4: a certificate of another authority", content(_foreign, GET_CERT), CERT_ID),
    ("RFC 8894 §3.3.4: another terminal's certificate", _of_another, CERT_ID),
    ("RFC 8894 §3.3.4: a question that is none", content(lambda _: b"\x30\x00", GET_CERT), CHECK),
    ("RFC 8894 §3.3.4: the list of another authority", content(_foreign, GET_CRL), CERT_ID),
    ("RFC 8894 §3.3.4: a list of nothing", content(lambda _: b"", GET_CRL), CHECK),
]  # fmt: skip


@pytest.fixture(scope="module")
def operations(shared_house: House) -> Operations:
    return operations_of(shared_house)


@pytest.fixture
def asking(operations: Operations, shared_house: House) -> Asking:
    [(terminal, codes)] = shared_house.new_codes()
    return Asking(operations, shared_house, terminal, codes)


@pytest.mark.parametrize(("spoil", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_refused(asking: Asking, spoil: Spoil, expected: str | None) -> None:
    spoil(asking)
    encoded, before = asking.der(), asking.house.code_set_rows(asking.terminal)
    if expected is MALFORMED:
        with pytest.raises(MalformedError):
            asking.operations.answer(encoded, SOURCE)
    else:
        told = read_answer(asking.operations.answer(encoded, SOURCE), asking.authority, asking.key)
        assert (told.status, told.fail_info) == ("2", expected), told.text
        assert told.attributes[TRANSACTION_ID] == "a transaction"
        assert told.certificates == []
        assert told.text
        assert told.text != "This is not possible."
        sent = asking.draft.attributes[SENDER_NONCE]
        assert told.attributes.get(RECIPIENT_NONCE) in {None, core.load(sent[0]).native if sent else None}
        assert expected != CHECK or told.text in {
            "The message could not be checked.",
            "The signer's certificate is not in the message.",
        }
    assert [row.state for row in asking.house.code_set_rows(asking.terminal)] == [row.state for row in before]


def test_the_same_message_unspoilt_is_good(asking: Asking) -> None:
    told = read_answer(asking.operations.answer(asking.der(), SOURCE), asking.authority, asking.key)
    assert told.status == "0", told.text


def test_nothing_tells_how_far_the_decryption_came(asking: Asking) -> None:
    """RFC 5652 §14 (Bleichenbacher 1998, Vaudenay 2002): one answer for a wrong key, wrong padding, wrong content."""
    good = Sealed(_request(asking), asking.authority)
    good.der()
    cut = [good.encrypted_key, os.urandom(384), bytes(384), None]
    answers = set()
    for encrypted_key in cut:
        for flip in (0, 20, 40, 200):
            sealed_anew = Sealed(_request(asking, OTHER_KEY), asking.authority, encrypted_key=encrypted_key)
            whole = bytearray(sealed_anew.der())
            whole[-1 - flip] ^= 1
            asking.draft.content = bytes(whole)
            told = read_answer(asking.operations.answer(asking.der(), SOURCE), asking.authority, asking.key)
            answers.add((told.status, told.fail_info, told.text))
    assert answers == {("2", "1", "The message could not be checked.")}


def test_each_code_that_another_guesses_is_counted_as_everywhere(asking: Asking) -> None:
    """RFC 8894 §7.3: a challengePassword is a secret that can be guessed at."""
    asking.seal(_wrong_codes(asking))
    texts = []
    for _ in range(6):
        answer = asking.operations.answer(asking.der(), SOURCE)
        texts.append(read_answer(answer, asking.authority, asking.key).text or "")
    assert texts[4].startswith("One of access key")
    assert "1800 seconds" in texts[5]
