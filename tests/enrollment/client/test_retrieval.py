import json
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from enrollment.client import standing
from enrollment.client.connection import Server
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, PENDING, PKCS12, Form
from enrollment.client.retrieval import Retrieval, retrieve
from enrollment.codes import Codes
from enrollment.protocols import retrieval
from enrollment.protocols.retrieval import RetrievalDoor
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from server.tls import Credentials
from tests.enrollment.client.scripted import Reply, ScriptedDoor, problem, scripted
from tests.server.pki import TrialCa
from tests.support.open_doors import OpenDoors
from tests.support.required import missing

Reach = Callable[..., Server]


@pytest.fixture
def codes(doors: OpenDoors) -> Codes:
    [(_, made)] = doors.house.new_codes()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pc" / "99999W"


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _real(doors: OpenDoors, *script: Reply) -> ScriptedDoor:
    return ScriptedDoor(list(script), retrieval.create_app(RetrievalDoor(doors.house.redemption)))


def _answer(doors: OpenDoors, **changed: str) -> Reply:
    """Return a door's answer with a certificate of somebody else, or with other changes."""
    retrieved = doors.house.issue()
    leaf = x509.load_der_x509_certificate(retrieved.certificate.der or b"").public_bytes(Encoding.PEM).decode()
    content = {"certificate": leaf, "chain": doors.issuing.read_text(encoding="ascii")} | changed
    return Reply("201 Created", json.dumps(content).encode())


def test_key_certificate_and_chain_lie_in_the_folder(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    result = retrieve(codes, reach(doors.retrieval), folder)
    assert _names(folder) == {KEY, CERTIFICATE, CHAIN}
    assert {file.name for file in result.files} == {KEY, CERTIFICATE, CHAIN}
    assert result.is_new
    assert not result.starts_later
    key = load_pem_private_key((folder / KEY).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert b"BEGIN PRIVATE KEY" in (folder / KEY).read_bytes()
    assert x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes()).public_key() == key.public_key()
    assert x509.load_pem_x509_certificates((folder / CHAIN).read_bytes()) == [doors.house.issuing.issuer.certificate]


def test_everything_is_closed_to_everybody_else(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    retrieve(codes, reach(doors.retrieval), folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_start_date_ahead_is_fine(doors: OpenDoors, reach: Reach, folder: Path) -> None:
    start = tokyo_date(doors.house.clock.now()) + timedelta(days=20)
    [(_, codes)] = doors.house.new_codes(start_date=start)
    result = retrieve(codes, reach(doors.retrieval), folder)
    assert result.starts_later
    assert result.not_before == day_start(start)


@pytest.mark.parametrize("present", [KEY, CERTIFICATE, CHAIN, PKCS12])
@pytest.mark.parametrize("form", Form)
def test_nothing_is_overwritten_and_nothing_is_sent(
    reach: Reach, codes: Codes, folder: Path, present: str, *, form: Form, credentials: Credentials
) -> None:  # fmt: skip
    folder.mkdir(parents=True)
    (folder / present).write_bytes(b"precious")
    door = ScriptedDoor([])
    with scripted(door, credentials) as url, pytest.raises(Refused, match="files-exist") as caught:
        retrieve(codes, reach(url), folder, form=form, passphrase=b"secret")
    assert caught.value.facts == {"path": str(folder / present)}
    assert _names(folder) == {present}
    assert (folder / present).read_bytes() == b"precious"
    assert door.seen == []


def test_a_second_retrieval_into_the_same_folder_is_refused(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    retrieve(codes, reach(doors.retrieval), folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(Refused, match="files-exist"):
        retrieve(codes, reach(doors.retrieval), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_key_is_on_disk_before_anything_is_sent(reach: Reach, codes: Codes, folder: Path, credentials: Credentials) -> None:
    found: list[set[str]] = []
    door = ScriptedDoor([problem("500 X", "internal")], on_request=lambda: found.append(_names(folder)))
    with scripted(door, credentials) as url, pytest.raises(Refused, match="internal"):
        retrieve(codes, reach(url), folder)
    assert found == [{PENDING}]


@pytest.mark.parametrize("lost", [1, 3])
def test_a_lost_answer_is_cured_by_itself(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, *, lost: int, credentials: Credentials
) -> None:  # fmt: skip
    door = _real(doors, *[Reply("503 Service Unavailable", b"", (), through=True)] * lost)
    with scripted(door, credentials) as url:
        result = retrieve(codes, reach(url), folder)
    assert len({body["csr"] for body in door.seen}) == 1
    assert not result.is_new  # the first answer, which was lost, was the new one
    assert _names(folder) == {KEY, CERTIFICATE, CHAIN}


def test_a_crash_after_the_request_is_cured_by_the_same_command(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, credentials: Credentials
) -> None:
    with scripted(_real(doors, Reply("500 X", b"", (), through=True)), credentials) as url, pytest.raises(Refused):
        retrieve(codes, reach(url), folder)
    assert _names(folder) == {PENDING}
    pending = (folder / PENDING).read_bytes()
    result = retrieve(codes, reach(doors.retrieval), folder)
    assert not result.is_new
    assert (folder / KEY).read_bytes() == pending


@pytest.mark.parametrize("written", [{CHAIN}, {CHAIN, CERTIFICATE}])
def test_a_crash_while_writing_is_cured_by_the_same_command(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, written: set[str]
) -> None:
    first = retrieve(codes, reach(doors.retrieval), folder)
    (folder / KEY).rename(folder / PENDING)  # the state between the last two steps
    for name in {CHAIN, CERTIFICATE} - written:
        (folder / name).unlink()
    again = retrieve(codes, reach(doors.retrieval), folder)
    assert again.serial == first.serial
    assert _names(folder) == {KEY, CERTIFICATE, CHAIN}


def test_two_commands_at_once_share_the_key(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    results: list[Retrieval | Refused] = []

    def go() -> None:
        try:
            results.append(retrieve(codes, reach(doors.retrieval), folder))
        except Refused as refused:
            results.append(refused)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [result for result in results if isinstance(result, Retrieval)]
    refused = {result.code for result in results if isinstance(result, Refused)}
    assert len(done) >= 1
    assert len({result.serial for result in done}) == 1
    assert refused <= {"files-exist", "folder-unwritable", "key-unreadable"}
    assert standing.status(folder, now=doors.house.clock.now()).key_matches


def test_wrong_codes_are_told_as_the_door_says_it(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    wrong = Codes(codes.access_key, codes.auth_code_1, "222222", codes.auth_code_3, codes.office_code)
    with pytest.raises(Refused, match="codes-wrong") as caught:
        retrieve(wrong, reach(doors.retrieval), folder)
    assert caught.value.facts["status"] == 401
    assert _names(folder) == {PENDING}
    assert retrieve(codes, reach(doors.retrieval), folder).is_new  # typed again, with the key that lies there


FOREIGN: dict[str, tuple[dict[str, str], str]] = {
    "another key": ({}, "certificate-of-another-key"),
    "no certificate": ({"certificate": ""}, "answer-unexpected"),
    "nonsense": ({"certificate": "-----BEGIN"}, "answer-unexpected"),
    "no chain": ({"chain": ""}, "answer-unexpected"),
}


@pytest.mark.parametrize("fault", FOREIGN)
def test_an_answer_that_is_not_ours_is_not_kept(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, *, fault: str, credentials: Credentials
) -> None:  # fmt: skip
    changes, code = FOREIGN[fault]
    with scripted(ScriptedDoor([_answer(doors, **changes)]), credentials) as url, pytest.raises(Refused, match=code):
        retrieve(codes, reach(url), folder)
    assert _names(folder) == {PENDING}


def test_a_chain_to_an_untrusted_root_is_not_kept(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, tmp_path: Path
) -> None:  # fmt: skip
    other = TrialCa(tmp_path, "other")
    chain, key = other.issue("localhost", server=True)
    door = _real(doors)
    with scripted(door, Credentials(chain, key)) as url, pytest.raises(Refused, match="chain-broken"):
        retrieve(codes, reach(url, other.certificate), folder)
    assert _names(folder) == {PENDING}


def test_a_passphrase_protects_the_key_from_the_first_moment(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, credentials: Credentials
) -> None:
    with scripted(ScriptedDoor([problem("500 X", "internal")]), credentials) as url, pytest.raises(Refused, match="internal"):
        retrieve(codes, reach(url), folder, passphrase=b"secret")
    assert b"ENCRYPTED" in (folder / PENDING).read_bytes()
    for passphrase, code in ((None, "passphrase-needed"), (b"other", "passphrase-wrong")):
        with pytest.raises(Refused, match=code):
            retrieve(codes, reach(doors.retrieval), folder, passphrase=passphrase)
    retrieve(codes, reach(doors.retrieval), folder, passphrase=b"secret")
    assert b"ENCRYPTED" in (folder / KEY).read_bytes()


def test_a_passphrase_that_comes_later_protects_the_key_from_then_on(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path, credentials: Credentials
) -> None:
    with scripted(ScriptedDoor([problem("500 X", "internal")]), credentials) as url, pytest.raises(Refused, match="internal"):
        retrieve(codes, reach(url), folder)
    retrieve(codes, reach(doors.retrieval), folder, passphrase=b"secret")
    assert b"ENCRYPTED" in (folder / KEY).read_bytes()
    assert _names(folder) == {KEY, CERTIFICATE, CHAIN}


def test_pkcs12_holds_all_three_under_modern_ciphers(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    retrieve(codes, reach(doors.retrieval), folder, form=Form.PKCS12, passphrase=b"secret")
    assert _names(folder) == {PKCS12}
    if shutil.which("openssl") is None:
        missing("openssl")
    command = ["openssl", "pkcs12", "-in", str(folder / PKCS12), "-passin", "pass:secret", "-info", "-nodes"]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "MAC: sha256" in said.stderr
    assert said.stderr.count("PBES2, PBKDF2, AES-256-CBC") == 2
    assert said.stdout.count("BEGIN CERTIFICATE") == 2
    assert said.stdout.count("BEGIN PRIVATE KEY") == 1


def test_pkcs12_without_a_passphrase_is_refused_before_anything_is_made(
    doors: OpenDoors, reach: Reach, codes: Codes, folder: Path
) -> None:
    with pytest.raises(Refused, match="passphrase-needed"):
        retrieve(codes, reach(doors.retrieval), folder, form=Form.PKCS12)
    assert not folder.exists()


def test_a_folder_that_can_not_be_written_is_told_before_anything_is_sent(
    doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refused, match=r"folder-unwritable|files-exist"):
        retrieve(codes, reach(doors.retrieval), tmp_path / "file" / "pc")


def test_a_pending_key_that_is_none_is_told(doors: OpenDoors, reach: Reach, codes: Codes, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / PENDING).write_bytes(b"rubbish")
    with pytest.raises(Refused, match="key-unreadable"):
        retrieve(codes, reach(doors.retrieval), folder)
