from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from enrollment.client.connection import Server
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, PENDING, Folder, Form
from enrollment.client.retrieval import retrieve
from enrollment.client.standing import Phase, Standing, status
from kernel.clock import tokyo_date
from kernel.errors import Refused
from tests.support.open_doors import OpenDoors

Reach = Callable[..., Server]
DAY = timedelta(days=1)


@pytest.fixture
def folder(doors: OpenDoors, reach: Reach, tmp_path: Path) -> Path:
    [(_, codes)] = doors.house.new_codes()
    retrieve(codes, reach(doors.retrieval), tmp_path / "pc")
    return tmp_path / "pc"


def _status(doors: OpenDoors, folder: Path, passphrase: bytes | None = None, after: timedelta = timedelta()) -> Standing:
    return status(folder, now=doors.house.clock.now() + after, passphrase=passphrase)


def test_nothing_is_nothing(doors: OpenDoors, tmp_path: Path) -> None:
    assert _status(doors, tmp_path) == Standing(tmp_path, Phase.NOTHING)
    assert _status(doors, tmp_path / "missing").phase is Phase.NOTHING


def test_a_key_without_certificate_is_pending(doors: OpenDoors, tmp_path: Path) -> None:
    Folder(tmp_path).pending_key()
    assert [file.name for file in tmp_path.iterdir()] == [PENDING]
    assert _status(doors, tmp_path).phase is Phase.PENDING


def test_a_valid_certificate_is_told_with_dates_and_key(doors: OpenDoors, folder: Path) -> None:
    held = _status(doors, folder)
    assert (held.phase, held.key_matches) == (Phase.VALID, True)
    assert held.terminal is not None
    assert held.terminal.endswith("W")
    assert held.issuer == "CN=Tegata Trial Network Issuing CA 1,O=Tegata Trial Network,C=JP"
    assert {file.name for file in held.files} == {KEY, CERTIFICATE, CHAIN}


def test_more_than_a_year_later_it_has_expired(doors: OpenDoors, folder: Path) -> None:
    assert _status(doors, folder, after=400 * DAY).phase is Phase.EXPIRED


def test_a_start_date_ahead_is_told_as_such(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    [(_, codes)] = doors.house.new_codes(start_date=tokyo_date(doors.house.clock.now()) + 5 * DAY)
    retrieve(codes, reach(doors.retrieval), tmp_path / "pc")
    assert _status(doors, tmp_path / "pc").phase is Phase.STARTS_LATER
    assert _status(doors, tmp_path / "pc", after=6 * DAY).phase is Phase.VALID


def test_another_key_is_found_out(doors: OpenDoors, folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert _status(doors, folder).key_matches is False


def test_a_missing_key_matches_nothing(doors: OpenDoors, folder: Path) -> None:
    (folder / KEY).unlink()
    assert _status(doors, folder).key_matches is False


def test_a_closed_key_is_not_judged_without_its_passphrase(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    retrieve(codes, reach(doors.retrieval), tmp_path / "pc", passphrase=b"secret")
    assert _status(doors, tmp_path / "pc").key_matches is None
    assert _status(doors, tmp_path / "pc", b"secret").key_matches is True
    with pytest.raises(Refused, match="passphrase-wrong"):
        _status(doors, tmp_path / "pc", b"wrong")


def test_pkcs12_needs_its_passphrase_to_be_looked_at(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    [(_, codes)] = doors.house.new_codes()
    retrieve(codes, reach(doors.retrieval), tmp_path / "pc", form=Form.PKCS12, passphrase=b"secret")
    assert _status(doors, tmp_path / "pc", b"secret").key_matches is True
    with pytest.raises(Refused, match="passphrase-needed"):
        _status(doors, tmp_path / "pc")
    with pytest.raises(Refused, match="passphrase-wrong"):
        _status(doors, tmp_path / "pc", b"wrong")


@pytest.mark.parametrize("name", [CERTIFICATE, CHAIN])
def test_a_damaged_certificate_is_told(doors: OpenDoors, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"rubbish")
    with pytest.raises(Refused, match="certificate-unreadable"):
        _status(doors, folder)
