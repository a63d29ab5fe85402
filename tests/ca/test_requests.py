import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ca import requests
from kernel.errors import Refused
from tests.ca.trial import request_of
from tests.support.required import missing

KEY = ec.generate_private_key(ec.SECP256R1())
DER = request_of(KEY).public_bytes(Encoding.DER)
PEM = request_of(KEY).public_bytes(Encoding.PEM)
RSA = rsa.generate_private_key(65537, 2048)
KNOWN = {"csr-malformed", "csr-signature", "key-unsupported", "key-weak"}


def _builder() -> x509.CertificateSigningRequestBuilder:
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))


def _code(request: bytes) -> str | None:
    """Return the refusal's code, or None when the request was taken; any other exception fails the test."""
    try:
        requests.read(request)
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    "request_", [DER, PEM, b"\n\n  " + PEM, PEM.replace(b"\n", b"\r\n")], ids=["der", "pem", "indented", "crlf"]
)
def test_a_request_is_read_in_der_and_pem(request_: bytes) -> None:
    requested = requests.read(request_)
    assert requested.public_key == KEY.public_key()
    assert requested.spki_sha256 == requests.spki_digest(KEY.public_key())


def test_the_older_pem_label_is_read() -> None:
    assert _code(PEM.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")) is None


def test_the_digest_is_sha256_over_the_public_key_info() -> None:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert requests.spki_digest(KEY.public_key()) == digest.finalize()


def test_rsa_pss_and_ed25519_prove_possession_as_well() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    assert _code(_builder().sign(RSA, hashes.SHA256(), rsa_padding=pss).public_bytes(Encoding.PEM)) is None
    assert _code(_builder().sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.PEM)) is None


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\x00",
        b"\x30",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"-----",
        b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * 64 + b"\n-----END CERTIFICATE REQUEST-----\n",
        PEM.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"),
        PEM[:-40],
        DER[:-1],
        DER + b"\x00",
        "ＰＥＭ".encode(),
        b"\xff\xfe" + PEM,
        b"{}",
    ],
)
def test_what_is_no_request_is_called_malformed(request_: bytes) -> None:
    assert _code(request_) == "csr-malformed"


def test_what_is_too_large_is_not_even_read() -> None:
    assert _code(PEM + b"\n" * requests.LARGEST) == "csr-malformed"
    assert _code(b"\x30\x83\xff\xff\xff" + bytes(60_000)) == "csr-malformed"


def test_a_tampered_signature_proves_nothing() -> None:
    changed = bytearray(DER)
    changed[-1] ^= 1
    assert _code(bytes(changed)) == "csr-signature"


def test_a_signature_by_another_key_proves_nothing() -> None:
    other = request_of(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    theirs = x509.load_der_x509_csr(other).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert _code(other.replace(theirs, spki)) == "csr-signature"


def test_a_changed_subject_breaks_the_proof() -> None:
    request_ = request_of(KEY, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "99999W")])).public_bytes(Encoding.DER)
    assert _code(request_.replace(b"99999W", b"99998W")) == "csr-signature"


def _is_refused_or_harmless(request: bytes) -> bool:
    """Return whether a changed request is refused, or proves the same key: the count of a bit string's unused bits may do."""
    try:
        return requests.read(request).public_key == KEY.public_key()
    except Refused as refused:
        return refused.code in KNOWN


def test_every_flipped_bit_is_refused_in_plain_words() -> None:
    for position in range(len(DER) * 8):
        changed = bytearray(DER)
        changed[position // 8] ^= 1 << position % 8
        assert _is_refused_or_harmless(bytes(changed))


@pytest.mark.parametrize("key", [DER, RSA], ids=["elliptic", "rsa"])
def test_every_shortened_request_is_malformed(key: bytes | rsa.RSAPrivateKey) -> None:
    whole = key if isinstance(key, bytes) else _builder().sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert {_code(whole[:length]) for length in range(len(whole))} == {"csr-malformed"}


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (ec.generate_private_key(ec.SECP521R1()), "key-unsupported"),
        (ec.generate_private_key(ec.SECP256K1()), "key-unsupported"),
        (dsa.generate_private_key(2048), "key-unsupported"),
        (rsa.generate_private_key(3, 2048), "key-weak"),
    ],
    ids=["P-521", "secp256k1", "DSA", "RSA e=3"],
)
def test_a_proven_key_of_a_bad_kind_is_refused(
    key: ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | rsa.RSAPrivateKey, code: str
) -> None:
    assert _code(_builder().sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)) == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
        ["-newkey", "ED448"],
        ["-newkey", "rsa:1024"],
    ],
    ids=["RSASSA-PSS key", "Ed448", "RSA-1024"],
)
def test_openssls_unusual_requests_are_refused_in_plain_words(arguments: list[str], tmp_path: Path) -> None:
    assert _code(_openssl_request(tmp_path, arguments)) in {"key-unsupported", "key-weak"}


def test_spelled_out_parameters_of_p256_become_its_name(tmp_path: Path) -> None:
    arguments = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"]
    requested = requests.read(_openssl_request(tmp_path, arguments))
    encoded = requested.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert len(encoded) == len(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _openssl_request(folder: Path, arguments: list[str]) -> bytes:
    if shutil.which("openssl") is None:
        missing("openssl")
    file = folder / "request.pem"
    command = ["openssl", "req", "-new", "-nodes", "-subj", "/CN=x", "-keyout", str(folder / "key.pem"), "-out", str(file)]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    return file.read_bytes()


@given(st.binary(max_size=400))
@example(b"-----BEGIN CERTIFICATE REQUEST-----\n\n-----END CERTIFICATE REQUEST-----")
def test_octets_at_random_are_refused_and_nothing_else(request_: bytes) -> None:
    assert _code(request_) in KNOWN


@settings(max_examples=400)
@given(st.data())
def test_a_request_with_pieces_exchanged_is_refused_and_nothing_else(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(DER)))
    end = data.draw(st.integers(begin, len(DER)))
    changed = DER[:begin] + data.draw(st.binary(max_size=40)) + DER[end:]
    assert _is_refused_or_harmless(changed)
