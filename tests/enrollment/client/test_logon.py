from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ca.revocation import Reason
from enrollment.client.connection import Server
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, Form
from enrollment.client.logon import Logon, logon
from enrollment.client.retrieval import retrieve
from enrollment.codes import Codes
from kernel.clock import tokyo_date
from kernel.errors import Refused
from tests.server.pki import TrialCa
from tests.support.house import SECURITY
from tests.support.open_doors import OpenDoors

Reach = Callable[..., Server]


@pytest.fixture
def codes(doors: OpenDoors) -> Codes:
    [(_, made)] = doors.house.new_codes()
    return made


@pytest.fixture
def terminal(doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path) -> str:
    return retrieve(codes, reach(doors.retrieval), tmp_path).terminal


def _code(answer: Logon) -> str | None:
    return answer.refusal.code if answer.refusal else None


def test_a_terminal_in_service_may_log_on(doors: OpenDoors, reach: Reach, codes: Codes, terminal: str, tmp_path: Path) -> None:
    answer = logon(tmp_path, reach(doors.terminals), codes.access_key)
    assert answer == Logon(terminal)
    assert answer.permitted


def test_the_access_key_may_be_typed_with_hyphens(
    doors: OpenDoors, reach: Reach, codes: Codes, terminal: str, tmp_path: Path
) -> None:
    typed = f"{codes.access_key[:4]}-{codes.access_key[4:]}"
    assert logon(tmp_path, reach(doors.terminals), typed, terminal=terminal.lower()).permitted


@pytest.mark.usefixtures("terminal")
def test_refusals_carry_the_domains_code(doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path) -> None:
    assert _code(logon(tmp_path, reach(doors.terminals), "1234567890123")) == "A0018"
    assert _code(logon(tmp_path, reach(doors.terminals), codes.access_key, terminal="00000A")) == "A0019"


def test_a_revoked_certificate_is_refused_with_the_reason(
    doors: OpenDoors, reach: Reach, codes: Codes, terminal: str, tmp_path: Path
) -> None:
    doors.house.endings.revoke(terminal, Reason.KEY_COMPROMISE, SECURITY)
    answer = logon(tmp_path, reach(doors.terminals), codes.access_key)
    assert _code(answer) == "A0036"
    assert answer.refusal is not None
    assert "revoked" in str(answer.refusal.facts["title_en"])


def test_before_the_start_date_the_day_is_told(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    start = tokyo_date(doors.house.clock.now()) + timedelta(days=9)
    [(_, codes)] = doors.house.new_codes(start_date=start)
    retrieve(codes, reach(doors.retrieval), tmp_path)
    answer = logon(tmp_path, reach(doors.terminals), codes.access_key)
    assert _code(answer) == "A0006"
    assert answer.refusal is not None
    assert start.isoformat() in str(answer.refusal.facts["title"])


def test_pkcs12_logs_on_as_well(doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path) -> None:
    retrieve(codes, reach(doors.retrieval), tmp_path, form=Form.PKCS12, passphrase=b"secret")
    assert logon(tmp_path, reach(doors.terminals), codes.access_key, passphrase=b"secret").permitted


def test_a_closed_key_needs_its_passphrase(doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path) -> None:
    retrieve(codes, reach(doors.retrieval), tmp_path, passphrase=b"secret")
    with pytest.raises(Refused, match="passphrase-needed"):
        logon(tmp_path, reach(doors.terminals), codes.access_key)
    assert logon(tmp_path, reach(doors.terminals), codes.access_key, passphrase=b"secret").permitted


def test_without_certificate_or_key_there_is_nothing_to_show(
    doors: OpenDoors, reach: Reach, codes: Codes, terminal: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="no-certificate"):
        logon(tmp_path / "elsewhere", reach(doors.terminals), codes.access_key, terminal=terminal)
    (tmp_path / KEY).unlink()
    with pytest.raises(Refused, match="no-key"):
        logon(tmp_path, reach(doors.terminals), codes.access_key)


def test_anothers_certificate_ends_in_the_handshake(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    other = TrialCa(tmp_path, "other")
    certificate, key = other.issue("99999W")
    certificate.rename(tmp_path / CERTIFICATE)
    key.rename(tmp_path / KEY)
    (tmp_path / CHAIN).write_bytes(other.certificate.read_bytes())
    with pytest.raises(Refused, match=r"tls-failed|unreachable"):
        logon(tmp_path, reach(doors.terminals, patience=0), "1234567890123")


@pytest.mark.usefixtures("terminal")
def test_an_empty_access_key_is_not_sent(doors: OpenDoors, reach: Reach, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="input-invalid"):
        logon(tmp_path, reach(doors.terminals), " - ")


@pytest.mark.usefixtures("terminal")
def test_no_temporary_key_is_left(doors: OpenDoors, reach: Reach, codes: Codes, tmp_path: Path) -> None:
    logon(tmp_path, reach(doors.terminals), codes.access_key)
    assert {file.name for file in tmp_path.iterdir()} == {KEY, CERTIFICATE, CHAIN}
