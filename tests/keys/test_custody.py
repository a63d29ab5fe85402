import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from keys.custody import KeyAlgorithm, SoftwareKeys
from keys.trouble import KeyTroubleError

PASSPHRASE = b"correct horse"


@pytest.fixture
def keys(tmp_path: Path) -> SoftwareKeys:
    return SoftwareKeys(tmp_path / "keys", PASSPHRASE)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (KeyAlgorithm.P256, ec.EllipticCurvePrivateKey),
        (KeyAlgorithm.P384, ec.EllipticCurvePrivateKey),
        (KeyAlgorithm.ED25519, ed25519.Ed25519PrivateKey),
        (KeyAlgorithm.X25519, x25519.X25519PrivateKey),
    ],
)
def test_a_key_that_was_made_opens_as_the_same_key(keys: SoftwareKeys, algorithm: KeyAlgorithm, kind: type) -> None:
    made = keys.create("k", algorithm)
    opened = keys.open("k")
    assert isinstance(opened, kind)
    assert opened.public_key() == made.public_key()


def test_p256_and_p384_are_what_they_are_called(keys: SoftwareKeys) -> None:
    small, large = keys.create("a", KeyAlgorithm.P256), keys.create("b", KeyAlgorithm.P384)
    assert isinstance(small, ec.EllipticCurvePrivateKey)
    assert isinstance(large, ec.EllipticCurvePrivateKey)
    assert (small.curve.name, large.curve.name) == ("secp256r1", "secp384r1")


def test_folder_and_file_are_closed_to_everybody_else(keys: SoftwareKeys) -> None:
    keys.create("k", KeyAlgorithm.P256)
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(keys.path("k").stat().st_mode) == 0o600


def test_what_lies_on_disk_is_encrypted(keys: SoftwareKeys) -> None:
    keys.create("k", KeyAlgorithm.P256)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in keys.path("k").read_bytes()


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(keys: SoftwareKeys) -> None:
    keys.create("k", KeyAlgorithm.P256)
    with pytest.raises(KeyTroubleError, match="'k' can not be opened") as caught:
        SoftwareKeys(keys.folder, b"wrong passphrase").open("k")
    assert "wrong passphrase" not in str(caught.value)


def test_the_passphrase_stays_out_of_repr(keys: SoftwareKeys) -> None:
    assert "horse" not in repr(keys)


def test_a_missing_key_is_named(keys: SoftwareKeys) -> None:
    assert not keys.exists("k")
    with pytest.raises(KeyTroubleError, match="no key 'k'"):
        keys.open("k")


def test_a_key_is_never_overwritten(keys: SoftwareKeys) -> None:
    keys.create("k", KeyAlgorithm.P256)
    before = keys.path("k").read_bytes()
    with pytest.raises(KeyTroubleError, match="exists already"):
        keys.create("k", KeyAlgorithm.P256)
    assert keys.path("k").read_bytes() == before


def test_of_many_who_make_one_key_at_once_one_does(keys: SoftwareKeys) -> None:
    refused: list[KeyTroubleError] = []

    def make() -> None:
        try:
            keys.create("k", KeyAlgorithm.ED25519)
        except KeyTroubleError as trouble:
            refused.append(trouble)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    keys.open("k")


def test_no_draft_is_left_behind(keys: SoftwareKeys) -> None:
    keys.create("k", KeyAlgorithm.P256)
    with pytest.raises(KeyTroubleError):
        keys.create("k", KeyAlgorithm.P256)
    assert [file.name for file in keys.folder.iterdir()] == ["k.key"]


def test_an_unencrypted_key_is_none_of_ours(keys: SoftwareKeys) -> None:
    keys.folder.mkdir()
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys.path("k").write_bytes(pem)
    with pytest.raises(KeyTroubleError, match="can not be opened"):
        keys.open("k")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"])
def test_a_damaged_file_is_told_by_name(keys: SoftwareKeys, content: bytes) -> None:
    keys.folder.mkdir()
    keys.path("k").write_bytes(content)
    with pytest.raises(KeyTroubleError, match="'k'"):
        keys.open("k")


def test_a_key_of_a_foreign_kind_is_refused(keys: SoftwareKeys) -> None:
    keys.folder.mkdir()
    encryption = BestAvailableEncryption(PASSPHRASE)
    keys.path("k").write_bytes(ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(KeyTroubleError, match="of a kind"):
        keys.open("k")


def test_signing_and_sealing_keys_are_not_taken_for_each_other(keys: SoftwareKeys) -> None:
    keys.create("signs", KeyAlgorithm.ED25519)
    keys.create("seals", KeyAlgorithm.X25519)
    assert isinstance(keys.open_signing("signs"), ed25519.Ed25519PrivateKey)
    keys.open_sealing("seals")
    with pytest.raises(KeyTroubleError, match="does not sign"):
        keys.open_signing("seals")
    with pytest.raises(KeyTroubleError, match="does not unseal"):
        keys.open_sealing("signs")


def test_an_rsa_key_is_opened_whole_or_not_at_all(keys: SoftwareKeys) -> None:
    made = rsa.generate_private_key(65_537, 2048)
    keys.keep("whole", made)
    assert keys.open("whole").public_key() == made.public_key()
    one = made.private_numbers()
    # OpenSSL itself takes the long way by `d` where the short one was wrong.
    spoilt = rsa.RSAPrivateNumbers(one.p, one.q, one.d + 2, one.dmp1 + 2, one.dmq1, one.iqmp, one.public_numbers)
    keys.keep("spoilt", spoilt.private_key(unsafe_skip_rsa_key_validation=True))
    with pytest.raises(KeyTroubleError, match="'spoilt' can not be opened"):
        keys.open("spoilt")
