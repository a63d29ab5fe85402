import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import ALGORITHMS, algorithm_of
from keys.custody import KeyAlgorithm, SoftwareKeys


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_signature_verifies_over_what_was_signed_and_nothing_else(name: str) -> None:
    key = ALGORITHMS[name].generate()
    algorithm = algorithm_of(key.public_key())
    assert algorithm.name == name
    signature = algorithm.sign(key, b"to be signed")
    algorithm.verify(key.public_key(), signature, b"to be signed")
    with pytest.raises(InvalidSignature):
        algorithm.verify(key.public_key(), signature, b"to be signed!")


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.hash])
def test_a_digest_is_signed_like_its_message(name: str) -> None:
    key, algorithm = ALGORITHMS[name].generate(), ALGORITHMS[name]
    digest = hashlib.new(algorithm.hash.name if algorithm.hash else "", b"to be signed").digest()
    algorithm.verify(key.public_key(), algorithm.sign_digest(key, digest), b"to be signed")
    algorithm.verify_digest(key.public_key(), algorithm.sign(key, b"to be signed"), digest)
    with pytest.raises(InvalidSignature):
        algorithm.verify_digest(key.public_key(), algorithm.sign_digest(key, digest), digest[::-1])


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name.startswith(("p", "rsa"))])
def test_openssl_verifies_what_the_table_signs(name: str, tmp_path: Path) -> None:
    key, algorithm = ALGORITHMS[name].generate(), ALGORITHMS[name]
    (tmp_path / "message").write_bytes(b"to be signed")
    (tmp_path / "signature").write_bytes(algorithm.sign(key, b"to be signed"))
    (tmp_path / "key.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    digest = algorithm.hash.name if algorithm.hash else ""
    command = ["openssl", "dgst", f"-{digest}", "-verify", "key.pem", "-signature", "signature", "message"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "Verified OK\n"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_custody_keeps_a_key_of_every_algorithm(name: str, tmp_path: Path) -> None:
    keys = SoftwareKeys(tmp_path, b"passphrase of a test")
    made = keys.create("trial", KeyAlgorithm(name))
    assert not isinstance(made, x25519.X25519PrivateKey)
    assert keys.open_signing("trial").public_key() == made.public_key()


def test_rsa_signs_by_pkcs1_v15() -> None:
    key = ALGORITHMS["rsa3072"].generate()
    assert isinstance(key, rsa.RSAPrivateKey)
    assert ALGORITHMS["rsa3072"].sign(key, b"m") == key.sign(b"m", padding.PKCS1v15(), hashes.SHA256())


def test_keys_that_do_not_sign_here_are_refused_by_kind() -> None:
    with pytest.raises(ValueError, match="rsa2048"):
        algorithm_of(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
    with pytest.raises(ValueError, match="ECPublicKey"):
        algorithm_of(ec.generate_private_key(ec.SECP521R1()).public_key())
    with pytest.raises(ValueError, match="X25519"):
        algorithm_of(x25519.X25519PrivateKey.generate().public_key())
