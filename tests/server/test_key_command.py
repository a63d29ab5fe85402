from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.requests import spki_digest
from server.commands.key import digests_of
from server.trouble import Trouble

KEY = ec.generate_private_key(ec.SECP256R1())
DIGEST = spki_digest(KEY.public_key())
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, hashes.SHA256())


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_key_is_read_from_what_carries_it(encoding: Encoding, tmp_path: Path) -> None:
    file = tmp_path / "key"
    for content in (
        REQUEST.public_bytes(encoding),
        KEY.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo),
    ):
        file.write_bytes(content)
        assert list(digests_of(str(file))) == [DIGEST]


def test_hashes_are_taken_as_they_are_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "hashes").write_text(f"# known\n{DIGEST.hex()}\n\n{bytes(32).hex().upper()}  # another\n", encoding="ascii")
    assert list(digests_of(DIGEST.hex())) == [DIGEST]
    assert list(digests_of(str(tmp_path / "hashes"))) == [DIGEST, bytes(32)]


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(100), DIGEST.hex().encode() + b"\nnothing"], ids=range(4))
def test_something_else_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(Trouble, match="holds no"):
        list(digests_of(str(tmp_path / "key")))
    with pytest.raises(Trouble, match="can not be read"):
        list(digests_of(str(tmp_path / "absent")))
