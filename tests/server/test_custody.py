"""The custody of a home: its PINs, its tokens, and what is said of keys that are not there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from keys.custody import KeyAlgorithm
from keys.trouble import CustodyAwayError, KeyTroubleError
from server import settings
from server.custody import CHECKPOINT, KEYS_PASSPHRASE, Custody
from server.settings import Settings
from server.trouble import Trouble
from tests.support.softhsm import PIN, SoftToken, soft_token

WRONG = "135792"
# Another process of the same home, which asks the token for a key.
ELSEWHERE = """
import sys
from pathlib import Path
from keys.trouble import KeyTroubleError
from server import settings
from server.custody import Custody
try:
    print(Custody(settings.load(Path(sys.argv[1]))).keys.exists("k"))
except KeyTroubleError as trouble:
    print(trouble)
"""


@pytest.fixture
def soft(tmp_path: Path) -> Iterator[SoftToken]:
    """Return an empty token."""
    with soft_token(tmp_path) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder for the home, with folders for keys and secrets."""
    for name in ("keys", "secrets"):
        (tmp_path / "home" / name).mkdir(mode=0o700, parents=True)
    return tmp_path / "home"


def with_pin(home: Path, pin: str, folder: Path | None = None) -> Path:
    """Write the PIN's file."""
    file = (folder or home / "secrets") / "token_pin"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{pin}\n", encoding="ascii")
    return file


@pytest.fixture
def chosen(home: Path, soft: SoftToken) -> Settings:
    """Return settings that keep all keys in the token."""
    (home / "tegata.toml").write_text(f'[keys]\ncustody = "{soft.uri}"\n', encoding="utf-8")
    return settings.load(home)


def elsewhere(home: Path) -> str:
    command = [sys.executable, "-c", ELSEWHERE, str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout.strip()


def test_a_pin_that_one_process_was_refused_is_tried_by_no_other_until_its_file_changes(
    home: Path, chosen: Settings, soft: SoftToken
) -> None:
    with_pin(home, WRONG)
    assert elsewhere(home) == f"token {soft.label!r} refuses its PIN"
    for _ in range(2):
        assert elsewhere(home) == "the token refused the PIN in token_pin, whose file was not changed since"
    with pytest.raises(CustodyAwayError, match="whose file was not changed since"):
        Custody(chosen).keys.exists("k")
    with_pin(home, PIN)
    assert elsewhere(home) == "False"
    assert not Custody(chosen).keys.exists("k")


def test_what_is_remembered_of_a_refused_pin_tells_nothing_of_it(home: Path, soft: SoftToken, chosen: Settings) -> None:
    assert chosen.keys.custody == soft.uri
    with_pin(home, WRONG)
    elsewhere(home)
    noted = home / ".token_pin.refused"
    assert WRONG not in noted.read_text(encoding="ascii")
    assert noted.stat().st_mode & 0o077 == 0


def test_a_pin_comes_from_the_process_managers_credentials_too(
    home: Path, tmp_path: Path, soft: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "tegata.toml").write_text(f'[keys]\ncustody = "{soft.uri}"\n', encoding="utf-8")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    with_pin(home, PIN, credentials).chmod(0o440)  # as systemd makes them
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert not Custody(settings.load(home)).keys.exists("k")


def test_a_missing_pin_is_a_token_that_is_away_and_comes_by_itself(home: Path, chosen: Settings) -> None:
    custody = Custody(chosen)
    with pytest.raises(CustodyAwayError, match="the secret token_pin can not be read"):
        custody.keys.exists("k")
    with_pin(home, PIN)
    assert not custody.keys.exists("k")


def test_an_expected_key_that_is_missing_or_another_is_told_at_once(home: Path, chosen: Settings, soft: SoftToken) -> None:
    with_pin(home, PIN)
    custody, stranger = Custody(chosen), ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(Trouble, match="has no private key with the label 'k'"):
        custody.expected("k", stranger)
    made = custody.keys.create("k", KeyAlgorithm.P256)
    with pytest.raises(Trouble, match="not the one whose public half"):
        custody.expected("k", stranger)
    soft.pull()
    away = custody.expected("k", made.public_key())
    soft.put_back()
    assert isinstance(away, ec.EllipticCurvePrivateKey)
    assert away.public_key() == made.public_key()


def test_what_can_not_be_backed_up_is_told_plainly(home: Path, chosen: Settings, soft: SoftToken) -> None:
    with_pin(home, PIN)
    (home / "secrets" / KEYS_PASSPHRASE).touch(mode=0o600)
    custody = Custody(chosen)
    custody.keys.create(CHECKPOINT, KeyAlgorithm.ED25519)
    with pytest.raises(Trouble, match=f"the key tls-portal is a file in .*copy that, with the secret {KEYS_PASSPHRASE}"):
        custody.in_token("tls-portal")
    for backup_key, told in (
        (None, f"no backup key is set for token '{soft.label}'"),
        ("none", "has no secret key with the label 'none'"),
    ):
        keys, label = custody.in_token(CHECKPOINT, backup_key)
        with pytest.raises(KeyTroubleError, match=told):
            keys.back_up(label)
    soft.hold_backup_key("backup", bytes(32))
    keys, label = custody.in_token(CHECKPOINT, "backup")
    with pytest.raises(KeyTroubleError, match="made without a backup key and can never leave its token"):
        keys.back_up(label)
