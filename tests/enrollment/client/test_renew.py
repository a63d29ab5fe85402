import json
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.revocation import Reason
from enrollment.client.changeover import OLD, STAGED, Changeover
from enrollment.client.connection import Server
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, MOVING, PENDING, PKCS12, Folder, Form
from enrollment.client.lock import LOCK, only_one
from enrollment.client.logon import logon
from enrollment.client.renewal import NotNow, Renewed, renew
from enrollment.reissue_records import ReissueReason
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from tests.enrollment.client.aged import Aged, Terminal
from tests.enrollment.client.scripted import REAL, Reply, problem, scripted
from tests.server.pki import TrialCa
from tests.support.house import SECURITY, Request, new_request

FILES = {KEY, CERTIFICATE, CHAIN}
LOST = Reply("503 Service Unavailable", b"", (), through=True)


@pytest.fixture
def terminal(aged: Aged, tmp_path: Path) -> Terminal:
    return aged.terminal(tmp_path / "pc")


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {LOCK}


def _content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name in FILES | {PKCS12}}


def _refusal(aged: Aged, terminal: Terminal, server: Server | None = None, *, force: bool = False) -> Refused:
    with pytest.raises(Refused) as caught:
        renew(terminal.folder, server or aged.server(), force=force)
    return caught.value


def _not_now(aged: Aged, terminal: Terminal, server: Server | None = None, *, force: bool = False) -> NotNow:
    outcome = renew(terminal.folder, server or aged.server(), force=force)
    assert isinstance(outcome, NotNow)
    return outcome


@contextmanager
def _bad_day(aged: Aged, *script: Reply, patience: float = 0) -> Iterator[Server]:
    """Give a terminals door that answers by script, then as the real one."""
    with scripted(aged.scripted(*script), aged.credentials()) as url:
        yield aged.server(url, patience=patience)


def _reported(aged: Aged, terminal: Terminal, **changed: object) -> Reply:
    """Return what the door says of a terminal's old certificate, with changes."""
    record = aged.certificates(terminal.name)[-1]
    first, last = (tokyo_date(record.not_after) - timedelta(days=ahead) for ahead in (28, 0))
    renewal = {
        "first_day": first.isoformat(), "last_day": last.isoformat(), "possible_now": True, "blocked_by_reissue": False,
        "suggested": day_start(first).isoformat(),
    }  # fmt: skip
    content: dict[str, object] = {
        "answered_at": aged.clock.now().isoformat(),
        "terminal": terminal.name, "office_code": "NAC001", "state": "in_service", "start_date": "2026-01-01", "reissue": None,
        "certificate": {"serial": record.serial, "state": "valid", "not_after": record.not_after.isoformat()},
        "renewal": renewal,
    }  # fmt: skip
    return Reply(body=json.dumps(content | changed).encode())


def test_within_the_window_the_new_pair_takes_the_place_of_the_old_one(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    outcome = renew(terminal.folder, aged.server())
    assert isinstance(outcome, Renewed)
    assert (outcome.terminal, outcome.is_proven) == (terminal.name, True)
    assert _names(terminal.folder) == FILES
    after = _content(terminal.folder)
    assert (after[KEY] != before[KEY], after[CERTIFICATE] != before[CERTIFICATE]) == (True, True)
    held = Folder(terminal.folder).holding()
    assert held is not None
    assert held.key_matches
    assert f"{held.certificate.serial_number:x}" == outcome.serial
    assert {stat.S_IMODE(file.stat().st_mode) for file in terminal.folder.iterdir()} == {0o600}
    assert logon(terminal.folder, aged.server(), terminal.codes.access_key).permitted


def test_a_day_later_there_is_nothing_to_do(aged: Aged, terminal: Terminal) -> None:
    renew(terminal.folder, aged.server())
    aged.clock.advance(timedelta(days=1))
    before = _content(terminal.folder)
    assert _not_now(aged, terminal).first_day > tokyo_date(aged.clock.now()) + timedelta(days=300)
    assert _content(terminal.folder) == before


def test_before_the_window_it_says_when_and_does_nothing(aged: Aged, terminal: Terminal) -> None:
    aged.set_to(terminal.name, days_left=29)
    outcome = _not_now(aged, terminal)
    assert (outcome.first_day - tokyo_date(aged.clock.now())).days == 1
    assert outcome.refusal is None
    assert _names(terminal.folder) == FILES
    assert _refusal(aged, terminal, force=True).code == "renewal-closed"


def test_within_the_window_it_waits_for_the_instant_that_is_suggested(aged: Aged, terminal: Terminal) -> None:
    aged.set_to(terminal.name, days_left=28)
    aged.clock.instant = day_start(tokyo_date(aged.clock.now())) + timedelta(seconds=1)
    outcome = _not_now(aged, terminal)
    assert aged.clock.now() < outcome.suggested <= aged.clock.now() + timedelta(days=10)
    aged.clock.instant = outcome.suggested
    assert isinstance(renew(terminal.folder, aged.server()), Renewed)


def test_force_does_not_wait_for_it(aged: Aged, terminal: Terminal) -> None:
    aged.set_to(terminal.name, days_left=28)
    aged.clock.instant = day_start(tokyo_date(aged.clock.now())) + timedelta(seconds=1)
    assert isinstance(renew(terminal.folder, aged.server(), force=True), Renewed)


def test_after_the_last_day_the_door_says_what_to_do(aged: Aged, terminal: Terminal) -> None:
    aged.set_to(terminal.name, days_left=-1)
    refused = _refusal(aged, terminal)
    assert refused.code == "E104"
    assert "reissue" in str(refused.facts["title_en"])


def test_long_before_the_window_a_door_that_is_away_is_no_trouble(aged: Aged, terminal: Terminal) -> None:
    aged.set_to(terminal.name, days_left=40)
    nowhere = aged.server("https://localhost:1", patience=0)
    outcome = _not_now(aged, terminal, nowhere)
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.last_day - outcome.first_day) == ("unreachable", timedelta(days=28))
    aged.set_to(terminal.name, days_left=20)
    assert _refusal(aged, terminal, nowhere).code == "unreachable"


def test_a_suspended_terminal_is_told_so_within_the_window_only(aged: Aged, terminal: Terminal) -> None:
    aged.house.endings.suspend(terminal.name, SECURITY)
    assert _refusal(aged, terminal).code == "terminal-barred"
    aged.set_to(terminal.name, days_left=60)
    assert _not_now(aged, terminal).refusal is None


def test_an_accepted_reissue_leaves_nothing_to_renew(aged: Aged, terminal: Terminal) -> None:
    aged.house.reissues.request(terminal.name, ReissueReason.PC_REPLACED, SECURITY)
    outcome = _not_now(aged, terminal)
    assert outcome.refusal is not None
    assert outcome.refusal.code == "reissue-blocks-renewal"


def test_a_revoked_certificate_renews_nothing(aged: Aged, terminal: Terminal) -> None:
    aged.house.endings.revoke(terminal.name, Reason.KEY_COMPROMISE, SECURITY)
    assert _refusal(aged, terminal).code == "A0036"
    assert _names(terminal.folder) == FILES


def test_the_new_key_is_on_disk_before_anything_is_sent(aged: Aged, terminal: Terminal) -> None:
    found: list[set[str]] = []
    door = aged.scripted(_reported(aged, terminal), problem("500 X", "internal"))
    door.on_request = lambda: found.append(_names(terminal.folder / STAGED) if (terminal.folder / STAGED).exists() else set())
    with scripted(door, aged.credentials()) as url:
        assert _refusal(aged, terminal, aged.server(url, patience=0)).code == "internal"
    assert found == [set(), {PENDING}]
    assert stat.S_IMODE((terminal.folder / STAGED / PENDING).stat().st_mode) == 0o600


def test_a_lost_answer_is_cured_with_the_same_key_even_days_later(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    with _bad_day(aged, _reported(aged, terminal), LOST) as server:
        assert _refusal(aged, terminal, server).facts["status"] == 503
    assert _content(terminal.folder) == before
    pending = (terminal.folder / STAGED / PENDING).read_bytes()
    aged.clock.advance(timedelta(days=6))
    outcome = renew(terminal.folder, aged.server())
    assert isinstance(outcome, Renewed)
    assert (terminal.folder / KEY).read_bytes() == pending
    assert len(aged.certificates(terminal.name)) == 2


def test_a_door_that_is_busy_is_waited_for_as_it_asks(aged: Aged, terminal: Terminal) -> None:
    busy = problem("503 Service Unavailable", "unavailable", ("Retry-After", "30"))
    with _bad_day(aged, _reported(aged, terminal), busy, busy, patience=120) as server:
        assert isinstance(renew(terminal.folder, server), Renewed)
    assert [30 <= wait <= 37.5 for wait in aged.waits] == [True, True]
    assert aged.waits[0] != aged.waits[1]


@pytest.mark.parametrize("reply", [Reply(body=b"<html>"), Reply(body=b"{}"), Reply(body=b'{"certificate": "x", "chain": "y"}')])
def test_nonsense_instead_of_a_certificate_changes_nothing(aged: Aged, terminal: Terminal, reply: Reply) -> None:
    before = _content(terminal.folder)
    with _bad_day(aged, _reported(aged, terminal), reply) as server:
        assert _refusal(aged, terminal, server).code == "answer-unexpected"
    assert _content(terminal.folder) == before
    assert isinstance(renew(terminal.folder, aged.server()), Renewed)


def _issued(aged: Aged, request: Request | None = None) -> Reply:
    """Return an answer with another terminal's certificate, for its own key or for that of a request."""
    der = aged.house.issue(request=request).certificate.der or b""
    leaf = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
    content = {"certificate": leaf, "chain": aged.doors.issuing.read_text(encoding="ascii")}
    return Reply("201 Created", json.dumps(content).encode())


def test_a_certificate_for_another_key_is_not_taken(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    with _bad_day(aged, _reported(aged, terminal), _issued(aged)) as server:
        assert _refusal(aged, terminal, server).code == "certificate-of-another-key"
    assert _content(terminal.folder) == before


def test_a_certificate_of_another_terminal_is_not_taken(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    key = Changeover(Folder(terminal.folder)).begin()
    with _bad_day(aged, _issued(aged, new_request(key))) as server:
        assert _refusal(aged, terminal, server).code == "certificate-of-another-terminal"
    assert _content(terminal.folder) == before
    assert _names(terminal.folder / STAGED) == {PENDING}


def test_a_certificate_below_another_root_is_not_taken(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    other = TrialCa(tmp_path, "other")
    chain, key = other.issue("localhost", server=True)
    credentials = replace(aged.credentials(), chain=chain, key=key, passphrase=None)
    before = _content(terminal.folder)
    with scripted(aged.scripted(), credentials) as url:
        assert _refusal(aged, terminal, aged.server(url, other.certificate)).code == "chain-broken"
    assert _content(terminal.folder) == before
    assert isinstance(renew(terminal.folder, aged.server()), Renewed)


def test_a_new_certificate_that_the_door_does_not_know_stays_beside_the_old_one(aged: Aged, terminal: Terminal) -> None:
    before, report = _content(terminal.folder), _reported(aged, terminal)
    with _bad_day(aged, report, REAL, report) as server:
        assert _refusal(aged, terminal, server).code == "renewal-unproven"
    assert _content(terminal.folder) == before
    assert _names(terminal.folder / STAGED) == FILES
    assert isinstance(renew(terminal.folder, aged.server()), Renewed)
    assert len(aged.certificates(terminal.name)) == 2


def test_a_new_certificate_that_was_revoked_at_once_is_forgotten(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    with _bad_day(aged, _reported(aged, terminal), REAL, problem("403 X", "A0036")) as server:
        assert _refusal(aged, terminal, server).code == "A0036"
    assert _content(terminal.folder) == before
    assert _names(terminal.folder) == FILES


def test_the_old_pair_is_kept_until_the_new_one_served_from_its_place(aged: Aged, terminal: Terminal) -> None:
    before = _content(terminal.folder)
    with _bad_day(aged, REAL, REAL, REAL, problem("503 X", "unavailable")) as server:
        outcome = renew(terminal.folder, server)
    assert isinstance(outcome, Renewed)
    assert not outcome.is_proven
    assert _names(terminal.folder) == FILES | {f"{name}{OLD}" for name in FILES}
    assert {name: (terminal.folder / f"{name}{OLD}").read_bytes() for name in FILES} == before
    assert isinstance(renew(terminal.folder, aged.server()), NotNow)
    assert _names(terminal.folder) == FILES


@pytest.mark.parametrize("code", ["key-used", "key-blocked", "renewal-too-early", "reissue-pending"])
def test_a_key_to_which_nothing_was_promised_is_forgotten(aged: Aged, terminal: Terminal, code: str) -> None:
    with _bad_day(aged, _reported(aged, terminal), problem("422 X", code)) as server:
        assert _refusal(aged, terminal, server).code == code
    assert _names(terminal.folder) == FILES


def test_where_renewing_would_change_nothing_that_is_no_fault(aged: Aged, terminal: Terminal) -> None:
    with _bad_day(aged, _reported(aged, terminal), problem("403 X", "renewal-pointless")) as server:
        refusal = _not_now(aged, terminal, server).refusal
    assert refusal is not None
    assert refusal.code == "renewal-pointless"
    assert _names(terminal.folder) == FILES


@pytest.mark.parametrize("form", Form)
def test_form_and_passphrase_stay(aged: Aged, tmp_path: Path, form: Form) -> None:
    terminal = aged.terminal(tmp_path / "pc", form=form, passphrase=b"secret")
    with pytest.raises(Refused, match="passphrase-needed"):
        renew(terminal.folder, aged.server())
    assert isinstance(renew(terminal.folder, aged.server(), passphrase=b"secret"), Renewed)
    assert _names(terminal.folder) == (FILES if form is Form.PEM else {PKCS12})
    assert Folder(terminal.folder).form is form
    assert Folder(terminal.folder).is_closed()
    assert logon(terminal.folder, aged.server(), terminal.codes.access_key, passphrase=b"secret").permitted


def test_two_runs_at_once_are_one(aged: Aged, terminal: Terminal) -> None:
    with only_one(terminal.folder):
        assert _refusal(aged, terminal).code == "renewal-running"
    assert isinstance(renew(terminal.folder, aged.server()), Renewed)


def test_without_certificate_or_key_there_is_nothing_to_renew(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no-certificate"):
        renew(tmp_path / "nowhere", aged.server())
    assert not (tmp_path / "nowhere").exists()
    (terminal.folder / KEY).unlink()
    assert _refusal(aged, terminal).code == "no-key"


def test_while_files_change_places_a_reader_sees_the_new_pair_whole(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    shutil.copytree(terminal.folder, tmp_path / "before")
    renew(terminal.folder, aged.server())
    for moved in range(3):
        place = tmp_path / f"moment-{moved}"
        shutil.copytree(tmp_path / "before", place)
        shutil.copytree(terminal.folder, place / MOVING)
        (place / MOVING / LOCK).unlink()
        for name in (CHAIN, CERTIFICATE, KEY)[:moved]:
            (place / MOVING / name).replace(place / name)
        held = Folder(place).holding()
        assert held is not None
        assert held.key_matches
        assert held.certificate == x509.load_pem_x509_certificate((terminal.folder / CERTIFICATE).read_bytes())
        Changeover(Folder(place)).heal()
        assert _content(place) == _content(terminal.folder)
        assert not (place / MOVING).exists()
