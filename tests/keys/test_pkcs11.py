import copy
import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, ObjectClass

from keys import tokens
from keys.algorithms import SigningKey, algorithm_of
from keys.custody import KeyAlgorithm, KeyStore, SoftwareKeys, require_at_hand
from keys.pkcs11 import Backup, TokenKeys
from keys.tokens import Visit
from keys.trouble import CustodyAwayError, KeyTroubleError
from tests.support.softhsm import PIN, SoftToken, require_engine, soft_token

KINDS = {
    KeyAlgorithm.P256: ec.EllipticCurvePrivateKey,
    KeyAlgorithm.P384: ec.EllipticCurvePrivateKey,
    KeyAlgorithm.RSA3072: rsa.RSAPrivateKey,
    KeyAlgorithm.ED25519: ed25519.Ed25519PrivateKey,
}
MESSAGE = b"to be signed"


def _verify(key: SigningKey) -> None:
    algorithm = algorithm_of(key.public_key())
    algorithm.verify(key.public_key(), algorithm.sign(key, MESSAGE), MESSAGE)


def _told(soft: SoftToken, attribute: Attribute) -> object:
    """Return what the token tells of the private key `k`."""
    return soft.token.ask(lambda visit: visit.only(ObjectClass.PRIVATE_KEY, "k")[attribute])


def _stays(deed: Callable[[], object]) -> None:
    with pytest.raises(KeyTroubleError, match="does not leave it"):
        deed()


def _elliptic(keys: TokenKeys, name: str = "k") -> ec.EllipticCurvePrivateKey:
    key = keys.create(name, KeyAlgorithm.P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_key_that_was_made_in_the_token_opens_as_the_same_key_and_signs(
    keys_in_token: TokenKeys, algorithm: KeyAlgorithm
) -> None:
    made = keys_in_token.create("k", algorithm)
    opened = keys_in_token.open_signing("k")
    assert isinstance(opened, KINDS[algorithm])
    assert opened.public_key() == made.public_key()
    assert algorithm_of(opened.public_key()).name == algorithm.value
    _verify(opened)


def test_both_custodies_are_key_stores(keys_in_token: TokenKeys, tmp_path: Path) -> None:
    stores: list[KeyStore] = [keys_in_token, SoftwareKeys(tmp_path / "keys", b"passphrase")]
    for store in stores:
        assert not store.exists("k")
        store.create("k", KeyAlgorithm.P384)
        assert store.exists("k")
        with pytest.raises(KeyTroubleError, match="exists already"):
            store.create("k", KeyAlgorithm.P384)
        with pytest.raises(KeyTroubleError, match="'other'"):
            store.open("other")


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.X25519, KeyAlgorithm.MLDSA65])
def test_a_kind_that_tokens_do_not_keep_is_told_by_name(keys_in_token: TokenKeys, algorithm: KeyAlgorithm) -> None:
    with pytest.raises(KeyTroubleError, match="'k' can not be kept in a token"):
        keys_in_token.create("k", algorithm)
    assert not keys_in_token.exists("k")


@pytest.mark.parametrize("algorithm", KINDS)
def test_the_builders_take_a_tokens_key_as_any_other(keys_in_token: TokenKeys, algorithm: KeyAlgorithm) -> None:
    key = keys_in_token.create("k", algorithm)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Token CA")])
    now = datetime(2026, 11, 22, tzinfo=UTC)
    digest = algorithm_of(key.public_key()).hash
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, digest)
    )
    certificate.verify_directly_issued_by(certificate)
    crl = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now).next_update(now).sign(key, digest)
    assert crl.is_signature_valid(key.public_key())
    assert x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest).is_signature_valid


def test_what_comes_as_a_digest_is_signed_as_it_is(keys_in_token: TokenKeys) -> None:
    digest = hashlib.sha256(MESSAGE).digest()
    elliptic = _elliptic(keys_in_token)
    signature = elliptic.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    elliptic.public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    plain = keys_in_token.create("r", KeyAlgorithm.RSA3072)
    assert isinstance(plain, rsa.RSAPrivateKey)
    signature = plain.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    plain.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_weak_hashes_and_other_paddings_are_refused(keys_in_token: TokenKeys) -> None:
    elliptic, plain = _elliptic(keys_in_token), keys_in_token.create("r", KeyAlgorithm.RSA3072)
    assert isinstance(plain, rsa.RSAPrivateKey)
    with pytest.raises(UnsupportedAlgorithm, match="sha1"):
        elliptic.sign(MESSAGE, ec.ECDSA(hashes.SHA1()))  # noqa: S303
    with pytest.raises(UnsupportedAlgorithm, match="SHA-2"):
        elliptic.sign(MESSAGE, ec.ECDSA(Prehashed(hashes.SHA256())))
    with pytest.raises(UnsupportedAlgorithm, match="PKCS #1"):
        plain.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def test_a_key_stays_in_its_token(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    key = _elliptic(keys_in_token)
    _stays(key.private_numbers)
    _stays(lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _stays(lambda: key.exchange(ec.ECDH(), key.public_key()))
    for attribute, value in (
        (Attribute.SENSITIVE, True),
        (Attribute.EXTRACTABLE, False),
        (Attribute.NEVER_EXTRACTABLE, True),
        (Attribute.LOCAL, True),
        (Attribute.PRIVATE, True),
        (Attribute.DERIVE, False),
    ):
        assert _told(soft, attribute) == value, attribute
    with pytest.raises(KeyTroubleError, match="AttributeSensitive"):
        _told(soft, Attribute.VALUE)


def test_neither_the_pin_nor_the_module_stands_in_a_keys_repr(keys_in_token: TokenKeys) -> None:
    key = _elliptic(keys_in_token)
    for shown in (repr(key), str(key), repr(keys_in_token), repr(copy.deepcopy(key)), repr(copy.copy(key))):
        assert PIN not in shown
    assert "'k'" in repr(key)


def test_exactly_one_object_must_have_the_label(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    key = _elliptic(keys_in_token)
    _verify(key)
    # Somebody else's program makes a second one.
    soft.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "k", "--id", "77")
    for deed in (keys_in_token.open, keys_in_token.exists, keys_in_token.open_signing):
        with pytest.raises(KeyTroubleError, match=r"2 objects .* with the label 'k': exactly one must have it"):
            deed("k")
    with pytest.raises(KeyTroubleError, match="exists already"):
        keys_in_token.create("k", KeyAlgorithm.P256)


def test_halves_that_do_not_belong_together_are_not_opened(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    _elliptic(keys_in_token)

    def rename(visit: Visit) -> None:
        visit.only(ObjectClass.PUBLIC_KEY, "k")[Attribute.ID] = b"another"

    soft.token.change(rename)
    with pytest.raises(KeyTroubleError, match="different identifiers"):
        keys_in_token.open("k")


def test_a_public_half_of_another_key_is_not_believed(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    _elliptic(keys_in_token)
    _elliptic(keys_in_token, "other")

    def swap(visit: Visit) -> None:
        private = visit.only(ObjectClass.PRIVATE_KEY, "k")
        visit.only(ObjectClass.PUBLIC_KEY, "k").destroy()
        other = visit.only(ObjectClass.PUBLIC_KEY, "other")
        other[Attribute.ID] = private[Attribute.ID]
        other[Attribute.LABEL] = "k"

    soft.token.change(swap)
    with pytest.raises(KeyTroubleError, match="does not verify with the public key of that label"):
        keys_in_token.open("k")


@pytest.mark.parametrize("half", [ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY])
def test_a_half_without_the_other_is_no_key_and_its_label_is_taken(
    soft: SoftToken, keys_in_token: TokenKeys, half: ObjectClass
) -> None:
    _elliptic(keys_in_token)
    soft.token.change(lambda visit: visit.only(half, "k").destroy())
    kind = half.name.lower().replace("_", " ")
    with pytest.raises(KeyTroubleError, match=f"has no {kind} with the label 'k'"):
        keys_in_token.open("k")
    with pytest.raises(KeyTroubleError, match="exists already"):
        keys_in_token.create("k", KeyAlgorithm.P256)


def test_a_key_whose_public_half_is_known_opens_while_its_token_is_away_and_signs_when_it_is_back(
    soft: SoftToken, keys_in_token: TokenKeys
) -> None:
    public = _elliptic(keys_in_token).public_key()
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(KeyTroubleError, match="not the one whose public half"):
        keys_in_token.expect("k", stranger)
    soft.pull()
    expected, wrong = keys_in_token.expect("k", public), keys_in_token.expect("k", stranger)
    for key in (expected, wrong):
        with pytest.raises(CustodyAwayError):
            require_at_hand(key)
    soft.put_back()
    time.sleep(tokens.PAUSE)
    require_at_hand(expected)
    _verify(expected)
    with pytest.raises(KeyTroubleError, match="another key under the label"):
        require_at_hand(wrong)
    with pytest.raises(KeyTroubleError, match="another key under the label"):
        _verify(wrong)


def test_an_rsa_key_that_was_made_for_it_decrypts_and_says_no_to_everything_else(soft: SoftToken) -> None:
    key = TokenKeys(soft.token, decrypts=True).create("ra", KeyAlgorithm.RSA3072)
    assert isinstance(key, rsa.RSAPrivateKey)
    for content in (b"", b"a content key", bytes(32), bytes(384 - 11)):
        assert key.decrypt(key.public_key().encrypt(content, padding.PKCS1v15()), padding.PKCS1v15()) == content
    modulus = key.public_key().public_numbers().n
    textbook = {
        "seven octets of padding": b"\x00\x02" + b"\x01" * 7 + b"\x00" + bytes(374),
        "no end of padding": b"\x00\x02" + b"\x01" * 382,
        "a signature's padding": b"\x00\x01" + b"\xff" * 100 + b"\x00" + bytes(281),
        "not below": b"\x01\x02" + b"\x01" * 10 + b"\x00" + bytes(371),
    }
    encrypted = [pow(int.from_bytes(plain, "big"), 65537, modulus).to_bytes(384, "big") for plain in textbook.values()]
    for octets in (*encrypted, b"", bytes(383), b"\xff" * 384, bytes(384)):
        with pytest.raises(ValueError, match="not encrypted to this key"):
            key.decrypt(octets, padding.PKCS1v15())
    with pytest.raises(UnsupportedAlgorithm, match="PKCS #1"):
        key.decrypt(bytes(384), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    _verify(key)


def test_an_rsa_key_that_was_not_made_for_it_does_not_decrypt(keys_in_token: TokenKeys) -> None:
    key = keys_in_token.create("r", KeyAlgorithm.RSA3072)
    assert isinstance(key, rsa.RSAPrivateKey)
    with pytest.raises(KeyTroubleError, match="'r' was not made to decrypt"):
        key.decrypt(key.public_key().encrypt(b"x", padding.PKCS1v15()), padding.PKCS1v15())


def test_a_key_that_openssl_made_in_the_token_opens_too(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    soft.tool("--keypairgen", "--key-type", "EC:secp384r1", "--label", "theirs", "--id", "01")
    _verify(keys_in_token.open("theirs"))


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P256, KeyAlgorithm.P384, KeyAlgorithm.RSA3072])
def test_a_wrapped_backup_brings_the_key_into_another_token(soft: SoftToken, tmp_path: Path, algorithm: KeyAlgorithm) -> None:
    wrapping = secrets.token_bytes(32)
    soft.hold_backup_key("backup", wrapping)
    made = TokenKeys(soft.token, backup_key="backup").create("k", algorithm)
    written = TokenKeys(soft.token, backup_key="backup").back_up("k").encode()
    with soft_token(tmp_path / "second") as second:
        second.hold_backup_key("backup", wrapping)
        keys = TokenKeys(second.token, backup_key="backup")
        restored = keys.restore("k", Backup.decode(written))
        assert restored.public_key() == made.public_key()
        _verify(restored)
        with pytest.raises(KeyTroubleError, match="exists already"):
            keys.restore("k", Backup.decode(written))


def test_a_key_that_was_made_without_a_backup_key_can_not_be_backed_up(soft: SoftToken, keys_in_token: TokenKeys) -> None:
    _elliptic(keys_in_token)
    with pytest.raises(KeyTroubleError, match="no backup key"):
        keys_in_token.back_up("k")
    soft.hold_backup_key("backup", secrets.token_bytes(32))
    with pytest.raises(KeyTroubleError, match="made without a backup key and can never leave its token"):
        TokenKeys(soft.token, backup_key="backup").back_up("k")


def test_only_a_trusted_key_wraps(soft: SoftToken) -> None:
    TokenKeys(soft.token, backup_key="mine").create("k", KeyAlgorithm.P256)
    soft.tool("--keygen", "--key-type", "AES:32", "--label", "mine")
    with pytest.raises(KeyTroubleError, match="KeyNotWrappable"):
        TokenKeys(soft.token, backup_key="mine").back_up("k")


def test_a_backup_that_tells_of_another_key_is_not_restored(soft: SoftToken) -> None:
    soft.hold_backup_key("backup", secrets.token_bytes(32))
    keys = TokenKeys(soft.token, backup_key="backup")
    keys.create("a", KeyAlgorithm.P256)
    keys.create("b", KeyAlgorithm.P256)
    a, b = keys.back_up("a"), keys.back_up("b")
    with pytest.raises(KeyTroubleError, match="another key than it says"):
        keys.restore("c", Backup(a.public_key, b.mechanism, b.wrapped))
    assert not keys.exists("c")


def test_a_damaged_backup_is_not_restored(soft: SoftToken) -> None:
    soft.hold_backup_key("backup", secrets.token_bytes(32))
    keys = TokenKeys(soft.token, backup_key="backup")
    keys.create("a", KeyAlgorithm.P256)
    backup = keys.back_up("a")
    with pytest.raises(KeyTroubleError):
        keys.restore("c", Backup(backup.public_key, backup.mechanism, backup.wrapped[:-8] + bytes(8)))
    time.sleep(tokens.PAUSE)  # SoftHSM calls this a general error, as it would a fault of its own
    assert not keys.exists("c")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"public_key": "!", "wrapped": "", "mechanism": "AES_KEY_WRAP_PAD"}'])
def test_what_is_no_backup_is_refused(content: bytes) -> None:
    with pytest.raises(KeyTroubleError, match="no backup"):
        Backup.decode(content)


def test_openssl_signs_with_the_same_key(soft: SoftToken, keys_in_token: TokenKeys, tmp_path: Path) -> None:
    """The engine's signature verifies with our public half: key, label and curve are what they are for everybody."""
    key = _elliptic(keys_in_token)
    require_engine()
    (tmp_path / "message").write_bytes(MESSAGE)
    where = f"pkcs11:token={soft.label};object=k;type=private;pin-value={PIN}"
    environment = ("env", f"PKCS11_MODULE_PATH={soft.module}")
    signed = soft.run(
        *(*environment, "openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sign", where, "-sha256"),
        *("-out", tmp_path / "signature", tmp_path / "message"),
        check=False,
    )
    assert signed.returncode == 0, signed.stderr
    key.public_key().verify((tmp_path / "signature").read_bytes(), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_a_module_that_is_not_there_is_told(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from keys.tokens import Token
Token(Path({str(tmp_path / "none.so")!r}), "t", lambda: "1").ask(lambda visit: None)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "keys.trouble." in told.stderr
