"""The diagnosis: each thing that goes wrong at a customer's is made on purpose, and found with the help desk's code."""

import shutil
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.revocation import Reason
from enrollment.client import finding_texts
from enrollment.client.changeover import Changeover
from enrollment.client.connection import Server
from enrollment.client.doctor import examine
from enrollment.client.findings import Check, Diagnosis, Finding, Verdict, fault
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, Folder, Form
from enrollment.client.renewal import renew
from enrollment.reissue_records import ReissueReason
from server.tls import Credentials
from tests.enrollment.client.aged import Aged, Terminal
from tests.enrollment.client.scripted import Proxy, Reply, problem, raw_tls, scripted
from tests.server.pki import DAY, TrialCa
from tests.support.house import SECURITY
from tests.support.ports import free_port

ALL = list(Check)


@pytest.fixture
def terminal(aged: Aged, tmp_path: Path) -> Terminal:
    return aged.terminal(tmp_path / "pc")


@pytest.fixture
def server(aged: Aged) -> Server:
    return aged.server(patience=0)


def _finding(diagnosis: Diagnosis, check: Check) -> Finding:
    [finding] = [finding for finding in diagnosis.findings if finding.check is check]
    return finding


def _faults(diagnosis: Diagnosis) -> list[tuple[Check, str, str | None]]:
    assert [finding.check for finding in diagnosis.findings] == ALL, "each check has one finding, in order"
    faults = [finding for finding in diagnosis.findings if finding.verdict is Verdict.FAULT]
    assert diagnosis.is_sound == (faults == [])
    return [(finding.check, finding.topic, finding.code) for finding in faults]


def _notices(diagnosis: Diagnosis) -> set[str]:
    return {finding.topic for finding in diagnosis.findings if finding.verdict is Verdict.NOTICE}


def test_a_terminal_after_its_renewal_has_nothing_wrong(aged: Aged, terminal: Terminal, server: Server) -> None:
    renew(terminal.folder, server)
    diagnosis = examine(terminal.folder, server, access_key=terminal.codes.access_key)
    assert {finding.verdict for finding in diagnosis.findings} == {Verdict.GOOD}
    assert [finding.check for finding in diagnosis.findings] == ALL
    assert _finding(diagnosis, Check.TLS).facts["version"] == "TLSv1.3"
    del aged


def test_it_changes_nothing_in_the_folder(terminal: Terminal, server: Server) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in terminal.folder.iterdir()}
    examine(terminal.folder, server)
    assert {file.name: file.stat().st_mtime_ns for file in terminal.folder.iterdir()} == before


def test_an_empty_folder_has_no_certificate_but_the_way_is_looked_at(server: Server, tmp_path: Path) -> None:
    diagnosis = examine(tmp_path, server)
    assert _faults(diagnosis) == [(Check.CERTIFICATE, "certificate-missing", "E103")]
    assert _finding(diagnosis, Check.TERMINAL).topic == "door-answers"
    assert _finding(diagnosis, Check.CLOCK).verdict is Verdict.GOOD
    Folder(tmp_path).pending_key()
    assert _faults(examine(tmp_path, server)) == [(Check.CERTIFICATE, "certificate-pending", "E103")]


def _lose_key(folder: Path) -> None:
    (folder / KEY).unlink()


def _mix_keys(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _damage(folder: Path) -> None:
    (folder / CERTIFICATE).write_bytes(b"rubbish")


def _lose_chain(folder: Path) -> None:
    (folder / CHAIN).unlink()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (_lose_key, (Check.KEY, "key-missing", "E103")),
        (_mix_keys, (Check.KEY, "key-other", "E103")),
        (_damage, (Check.CERTIFICATE, "certificate-unreadable", "E103")),
        (_lose_chain, (Check.TRUST, "chain-broken", "A0035")),
    ],
)
def test_what_is_wrong_with_the_files_is_found(
    terminal: Terminal, server: Server, harm: Callable[[Path], None], expected: tuple[Check, str, str]
) -> None:
    harm(terminal.folder)
    assert expected in _faults(examine(terminal.folder, server))


def test_a_key_that_others_can_read_is_noticed(terminal: Terminal, server: Server) -> None:
    (terminal.folder / KEY).chmod(0o644)
    assert "key-open" in _notices(examine(terminal.folder, server))


@pytest.mark.parametrize("form", Form)
def test_a_closed_key_is_no_fault(aged: Aged, server: Server, tmp_path: Path, form: Form) -> None:
    terminal = aged.terminal(tmp_path / "pc", form=form, passphrase=b"secret")
    diagnosis = examine(terminal.folder, server)
    assert _faults(diagnosis) == []
    assert "closed" in _notices(diagnosis)
    assert _finding(examine(terminal.folder, server, passphrase=b"secret"), Check.TERMINAL).verdict is Verdict.GOOD


def test_another_root_is_named_for_certificate_and_door(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    server = aged.server(ca_bundle=TrialCa(tmp_path, "other").certificate, patience=0)
    diagnosis = examine(terminal.folder, server)
    assert _faults(diagnosis) == [(Check.TRUST, "chain-broken", "A0035"), (Check.TLS, "tls-untrusted", "E111")]
    assert "Issuing CA" in str(_finding(diagnosis, Check.TLS).facts["issuer"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost", (Check.ADDRESS, "address-invalid", "E101")),
        ("https://nobody.invalid", (Check.NAME, "name-unknown", "E101")),
        ("https://" + "x" * 80, (Check.NAME, "name-unknown", "E101")),
    ],
)
def test_a_wrong_address_is_e101(aged: Aged, terminal: Terminal, url: str, expected: tuple[Check, str, str]) -> None:
    found = _faults(examine(terminal.folder, aged.server(url, patience=0)))
    # Where no name server can be asked, the name is not known to be wrong.
    assert found in ([expected], [(Check.NAME, "name-server-silent", "E111")])


def test_where_nobody_listens_is_e111(aged: Aged, terminal: Terminal) -> None:
    diagnosis = examine(terminal.folder, aged.server(f"https://localhost:{free_port()}", patience=0))
    assert _faults(diagnosis) == [(Check.CONNECTION, "connection-refused", "E111")]
    assert _finding(diagnosis, Check.LOGON).verdict is Verdict.SKIPPED


def test_a_door_that_says_nothing_is_e113(aged: Aged, terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(f"https://localhost:{listener.getsockname()[1]}", aged.doors.root, aged.clock, timeout=0.3, patience=0)
        assert _faults(examine(terminal.folder, server)) == [(Check.TLS, "tls-silent", "E113")]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_a_door_of_old_tls_is_told(aged: Aged, terminal: Terminal) -> None:
    with raw_tls(aged.credentials(), lambda _: None, most=ssl.TLSVersion.TLSv1_1) as url:
        assert _faults(examine(terminal.folder, aged.server(url, patience=0))) == [(Check.TLS, "tls-failed", "E111")]


def test_a_door_of_another_name_is_e101(aged: Aged, terminal: Terminal, server: Server) -> None:
    url = server.url.replace("localhost", "127.0.0.1")
    assert _faults(examine(terminal.folder, aged.server(url, patience=0))) == [(Check.TLS, "tls-other-name", "E101")]


@pytest.mark.parametrize(("begin", "end"), [(-2 * DAY, -DAY), (DAY, 2 * DAY)], ids=["over", "ahead"])
def test_a_door_whose_certificate_is_not_in_its_period_points_to_the_clock(
    aged: Aged, terminal: Terminal, tmp_path: Path, begin: timedelta, end: timedelta
) -> None:
    other = TrialCa(tmp_path, "other")
    chain, key = other.issue("localhost", begin=begin, end=end, server=True)
    with scripted(aged.scripted(), Credentials(chain, key)) as url:
        diagnosis = examine(terminal.folder, aged.server(url, other.certificate, patience=0))
    assert (Check.TLS, "tls-period", "E111") in _faults(diagnosis)
    assert {"not_before", "not_after", "now"} <= set(_finding(diagnosis, Check.TLS).facts)


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_is_off_is_found_by_the_doors(aged: Aged, terminal: Terminal, server: Server, off: timedelta) -> None:
    aged.clock.advance(off)
    assert _faults(examine(terminal.folder, server)) == [(Check.CLOCK, "clock-off", "E111")]


@pytest.mark.parametrize(
    ("reply", "topic", "code"),
    [
        (Reply("502 Bad Gateway", b"<html>"), "answer-unexpected", "E112"),
        (Reply(body=b"{}"), "answer-unexpected", "E112"),
        (problem("500 X", "internal"), "internal", "E112"),
        (problem("503 X", "unavailable", ("Retry-After", "5")), "unavailable", "E112"),
        (problem("404 X", "not-found"), "not-found", "E101"),
        (problem("403 X", "E103"), "certificate-lost", "E103"),
        (problem("403 X", "certificate-foreign"), "certificate-foreign", "A0035"),
        (problem("403 X", "terminal-abolished"), "terminal-abolished", "A0010"),
    ],
)
def test_what_the_door_answers_has_a_code(aged: Aged, terminal: Terminal, reply: Reply, topic: str, code: str) -> None:
    with scripted(aged.scripted(reply), aged.credentials()) as url:
        assert _faults(examine(terminal.folder, aged.server(url, patience=0))) == [(Check.TERMINAL, topic, code)]


def test_the_retrieval_door_is_not_the_right_one(aged: Aged, terminal: Terminal) -> None:
    server = aged.server(aged.doors.retrieval, patience=0)
    assert _faults(examine(terminal.folder, server)) == [(Check.TERMINAL, "not-found", "E101")]


def test_anothers_certificate_is_declined(aged: Aged, server: Server, tmp_path: Path) -> None:
    other = TrialCa(tmp_path, "other")
    certificate, key = other.issue("99999W")
    certificate.rename(tmp_path / CERTIFICATE)
    key.rename(tmp_path / KEY)
    shutil.copy(other.certificate, tmp_path / CHAIN)
    found = _faults(examine(tmp_path, server))
    assert found == [(Check.TRUST, "chain-broken", "A0035"), (Check.TERMINAL, "certificate-declined", "A0035")]
    del aged


def test_suspended_held_revoked_and_replaced_are_told_apart(aged: Aged, server: Server, tmp_path: Path) -> None:
    suspended, revoked, replaced = (aged.terminal(tmp_path / name) for name in ("suspended", "revoked", "replaced"))
    aged.house.endings.suspend(suspended.name, SECURITY)
    assert (Check.TERMINAL, "suspended-by-staff", "A0014") in _faults(examine(suspended.folder, server))
    aged.house.endings.revoke(revoked.name, Reason.KEY_COMPROMISE, SECURITY)
    assert _faults(examine(revoked.folder, server)) == [(Check.TERMINAL, "A0036", "A0036")]
    shutil.copytree(replaced.folder, tmp_path / "copy")
    renew(replaced.folder, server)
    diagnosis = examine(tmp_path / "copy", server, access_key=replaced.codes.access_key)
    assert _faults(diagnosis) == [(Check.TERMINAL, "A0036", "A0036"), (Check.LOGON, "A0036", "A0036")]
    assert "replaced" in str(_finding(diagnosis, Check.TERMINAL).facts["title_en"])


def test_each_rule_that_suspends_is_told_with_its_day_and_its_remedy() -> None:
    for topic in ("suspended-by-rule-1", "suspended-by-rule-2", "suspended-by-rule-3", "suspended-by-staff"):
        finding = fault(Check.TERMINAL, topic, "A0014", terminal="99999W", since=date(2027, 2, 16))
        for language in ("ja", "en"):
            assert "99999W" in finding_texts.cause(finding, language)
            assert "2027" in finding_texts.cause(finding, language)
            assert finding_texts.remedy(finding, language)


def test_an_expired_certificate_is_e104(aged: Aged, terminal: Terminal, server: Server) -> None:
    aged.set_to(terminal.name, days_left=-2)
    found = _faults(examine(terminal.folder, server))
    # This test's clock runs ahead of the machine's, by which the door dates its answer.
    assert set(found) - {(Check.CLOCK, "clock-off", "E111")} == {
        (Check.PERIOD, "period-over", "E104"),
        (Check.TERMINAL, "E104", "E104"),
    }


def test_before_the_start_date_is_worth_knowing_and_no_fault(aged: Aged, server: Server, tmp_path: Path) -> None:
    terminal = aged.terminal(tmp_path / "pc", starts_in=timedelta(days=10))
    diagnosis = examine(terminal.folder, server, access_key=terminal.codes.access_key)
    assert _faults(diagnosis) == []
    assert _finding(diagnosis, Check.PERIOD).code == "A0006"
    assert (_finding(diagnosis, Check.LOGON).code, _finding(diagnosis, Check.LOGON).verdict) == ("A0006", Verdict.NOTICE)


def test_a_wrong_access_key_is_a0018(terminal: Terminal, server: Server) -> None:
    assert _faults(examine(terminal.folder, server, access_key="1234567890123")) == [(Check.LOGON, "A0018", "A0018")]
    assert (Check.LOGON, "input-invalid", "E111") in _faults(examine(terminal.folder, server, access_key="-"))


def test_the_window_for_renewal_is_told_in_each_of_its_stages(
    aged: Aged, terminal: Terminal, server: Server
) -> None:  # fmt: skip
    stages: dict[int, tuple[Verdict, str]] = {
        60: (Verdict.GOOD, "renewal"),
        28: (Verdict.NOTICE, "renewal-open"),
        10: (Verdict.NOTICE, "renewal-due"),
        3: (Verdict.FAULT, "renewal-urgent"),
    }
    for days_left, (verdict, topic) in stages.items():
        aged.set_to(terminal.name, days_left=days_left)
        if days_left == 28:
            aged.clock.advance(timedelta(hours=-10, seconds=1))
        finding = _finding(examine(terminal.folder, server), Check.RENEWAL)
        assert (finding.verdict, finding.topic) == (verdict, topic)


def test_a_renewal_that_was_not_finished_and_a_reissue_are_noticed(aged: Aged, terminal: Terminal, server: Server) -> None:
    Changeover(Folder(terminal.folder)).begin()
    assert "renewal-unfinished" in _notices(examine(terminal.folder, server))
    aged.house.reissues.request(terminal.name, ReissueReason.PC_REPLACED, SECURITY)
    assert {"renewal-blocked", "reissue-accepted"} <= _notices(examine(terminal.folder, server))


def test_the_way_leads_through_the_proxy_and_ends_there_when_it_is_away(aged: Aged, terminal: Terminal) -> None:
    with ExitStack() as stack:
        passing, closed = Proxy(), Proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        addresses = [stack.enter_context(proxy.open()) for proxy in (passing, closed)]
        found = [_faults(examine(terminal.folder, _through(aged, f"http://{address}"))) for address in addresses]
        assert found == [[], [(Check.TLS, "proxy-refused", "E102")]]
    for proxy, topic in (("ftp://x", "proxy-invalid"), ("http://localhost:1", "connection-refused")):
        assert [fault[1:] for fault in _faults(examine(terminal.folder, _through(aged, proxy)))] == [(topic, "E102")]


def _through(aged: Aged, proxy: str) -> Server:
    return Server(aged.doors.terminals, aged.doors.root, aged.clock, proxy, timeout=30, patience=0)


def test_a_bundle_that_can_not_be_read_is_told(aged: Aged, terminal: Terminal, tmp_path: Path) -> None:
    found = _faults(examine(terminal.folder, aged.server(ca_bundle=tmp_path / "missing.pem", patience=0)))
    assert (Check.TRUST, "trust-unreadable", "E111") in found
