from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ca.published_keys import FILE_NAME, PublishedKeys
from ca.requests import spki_digest
from server.commands.key import command, digests_of
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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return what looks like a finished home."""
    bundle = tmp_path / "home" / "ca" / "root.pem"
    bundle.parent.mkdir(parents=True)
    bundle.touch()
    return tmp_path / "home"


def _run(home: Path, *words: str | Path) -> str:
    done = CliRunner().invoke(command, [str(word) for word in words], env={"TEGATA_HOME": str(home)}, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_published_keys_are_learnt_in_every_form_and_added_up(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "deep"
    folder.mkdir(parents=True)
    short, edwards = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
    forms = {
        "request": REQUEST.public_bytes(Encoding.DER),
        "rsa": short.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "ssh": edwards.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "twice": KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "x25519": x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "README": b"keys",
        "huge": bytes(100_000),
    }
    for name, content in forms.items():
        (folder / name).write_bytes(content)
    assert "not recognised" in _run(home, "published")
    assert _run(home, "learn", tmp_path / "keys").startswith("3 keys learnt, 3 known; 3 files")
    learnt = PublishedKeys(home / FILE_NAME)
    assert all(key.public_key() in learnt for key in (KEY, short, edwards))
    # badkeys' own file, and again the same: what was learnt before stays.
    other = ec.generate_private_key(ec.SECP384R1())
    (folder / "request").write_bytes(other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / FILE_NAME).rename(elsewhere / FILE_NAME)
    assert _run(home, "learn", folder / "request").startswith("1 keys learnt, 1 known")
    assert _run(home, "learn", elsewhere / FILE_NAME, tmp_path / "keys").startswith("3 keys learnt, 4 known")
    assert other.public_key() in PublishedKeys(home / FILE_NAME)
    assert "4 more" in _run(home, "published")


def test_a_list_of_another_form_is_told_and_nothing_is_learnt(home: Path, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"x" * 17)
    with pytest.raises(Trouble, match="records"):
        _run(home, "learn", tmp_path / FILE_NAME)
    assert not (home / FILE_NAME).exists()
