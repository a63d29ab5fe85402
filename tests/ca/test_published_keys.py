import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from ca.authority import Authority
from ca.published_keys import PACKAGED, PublishedKeys, name_of
from ca.requests import RequestedKey, spki_digest
from kernel.errors import Refused
from tests.ca.trial import PROFILE, SUBJECT, trial_issuer

# RFC 9500 §2.3, testECCP256: the key that everybody's examples use. Only its number stands here.
RFC_9500_P256 = ec.derive_private_key(
    0xE6CB5BDD80AA45AE9C95E8C15476679FFEC953C16851E711E743939589C64FC1, ec.SECP256R1()
).public_key()
# RFC 8410 §10.3.
RFC_8410_ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")
).public_key()


def _file(folder: Path, *keys: object, others: int = 500) -> Path:
    names = [name_of(key) for key in keys] + [hashlib.sha256(bytes((n % 256, n // 256))).digest()[:15] for n in range(others)]
    file = folder / "blocklist.dat"
    file.write_bytes(b"".join(name + b"\x01" for name in sorted(names)))
    return file


@pytest.mark.parametrize("key", [RFC_9500_P256, RFC_8410_ED25519])
def test_keys_of_rfcs_are_known_without_any_file(key: object) -> None:
    assert key in PublishedKeys()


def test_all_kinds_of_keys_are_found_in_a_file_and_others_are_not(tmp_path: Path) -> None:
    found = [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
    ]
    published = PublishedKeys(_file(tmp_path, *found))
    assert all(key in published for key in found)
    assert ec.generate_private_key(ec.SECP256R1()).public_key() not in published
    assert found[0] not in PublishedKeys()


def test_the_first_and_the_last_record_are_found(tmp_path: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(40)]
    published = PublishedKeys(_file(tmp_path, *keys, others=0))
    assert all(key in published for key in keys)


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert ec.generate_private_key(ec.SECP256R1()).public_key() not in PublishedKeys(tmp_path / "blocklist.dat")


@pytest.mark.parametrize("content", [b"", b"x" * 15, b"b" * 16 + b"a" * 16])
def test_a_file_of_another_form_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "blocklist.dat").write_bytes(content)
    with pytest.raises(ValueError, match=r"blocklist\.dat"):
        PublishedKeys(tmp_path / "blocklist.dat")


def test_a_published_key_gets_no_draft() -> None:
    authority = Authority(trial_issuer(), PROFILE)
    with pytest.raises(Refused, match="key-weak") as refusal:
        authority.draft(
            RequestedKey(RFC_9500_P256, spki_digest(RFC_9500_P256)),
            SUBJECT,
            date(2026, 11, 24),
            datetime(2026, 11, 24, 3, tzinfo=UTC),
        )
    assert refusal.value.facts == {"weakness": "published"}


def test_a_key_that_gets_no_certificate_has_no_name() -> None:
    with pytest.raises(TypeError):
        name_of(x25519.X25519PrivateKey.generate().public_key())
    assert all(len(name) == 15 for name in PACKAGED)
