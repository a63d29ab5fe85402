"""What is the matter with a terminal: one finding for each thing, with the help desk's code, and cases that keep it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ca.revocation import Reason
from enrollment import diagnosis, diagnosis_cases, id_notices, logon_refusals
from enrollment.diagnosis import Diagnosis, Finding, Terms, Verdict
from enrollment.diagnosis_cases import KEPT, MOST, Cases
from enrollment.redemption import Retrieved
from enrollment.reissue_records import ReissueReason
from kernel import audit
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from registry import terminals
from registry.bulletin import CATEGORIES, BulletinDesk, Content
from registry.states import SuspensionRule, TerminalEvent
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

HANAKO = audit.customer(OFFICE, "hanako")


@pytest.fixture
def look(house: House, clock: SettableClock) -> Callable[..., Diagnosis]:
    """Return what examines a terminal now."""

    def examine(name: str, terms: Terms | None = None) -> Diagnosis:
        with house.database.snapshot() as session:
            found = diagnosis.examine(session, name, clock.now(), terms or Terms())
        assert found
        return found

    return examine


@pytest.fixture
def topics(look: Callable[..., Diagnosis]) -> Callable[[str], list[str]]:
    """Return what names everything but the good findings of a terminal."""
    return lambda name: [one.topic for one in look(name).findings if one.verdict is not Verdict.GOOD]


def finding(found: Diagnosis, topic: str) -> Finding:
    return next(one for one in found.findings if one.topic == topic)


def issued_with_key(house: House) -> tuple[Retrieved, str]:
    [(_, codes)] = house.new_codes()
    return house.redemption.redeem(codes, new_request().pem, SOURCE), codes.access_key


def test_the_way_of_codes(house: House, clock: SettableClock, topics: Callable[[str], list[str]]) -> None:
    [name] = house.new_terminals()
    assert topics(name) == ["codes-none"]
    house.preparation.prepare_existing(name, APPROVER, PREPARER)
    assert topics(name) == ["codes-unread", "certificate-none"]
    house.notices.show(None, OFFICE, name, HANAKO)
    assert topics(name) == ["codes-unredeemed", "certificate-none"]
    wrong = replace(house.codes_of(name), auth_code_3="AAAAA")
    with pytest.raises(Refused):
        house.redemption.redeem(wrong, new_request().pem, SOURCE)
    assert topics(name) == ["codes-unredeemed", "codes-mistyped", "certificate-none"]
    for _ in range(4):
        with pytest.raises(Refused):
            house.redemption.redeem(wrong, new_request().pem, SOURCE)
    assert topics(name) == ["codes-locked", "certificate-none-yet"]
    clock.advance(timedelta(hours=1))
    house.notices.freeze(None, OFFICE, name, HANAKO)
    assert topics(name) == ["codes-frozen-consent", "certificate-none-yet"]
    house.preparation.thaw(name, SECURITY)
    assert topics(name) == ["codes-frozen-consent", "certificate-none-yet"]
    notices = replace(house.notices, administrators=lambda _: (str(HANAKO),))
    notices.consent(None, OFFICE, name, HANAKO)
    assert topics(name) == ["codes-unredeemed", "certificate-none"]
    clock.advance(timedelta(days=70))
    assert topics(name)[0] == "codes-expired"
    id_notices.expire_due(house.database, clock.now())
    assert topics(name) == ["codes-expired", "certificate-none-yet"]


def test_a_terminal_that_works(house: House, look: Callable[..., Diagnosis]) -> None:
    issued = house.issue()
    found = look(issued.terminal)
    assert (found.can_log_on, found.main) == (True, None)
    assert {one.verdict for one in found.findings} == {Verdict.GOOD}
    assert finding(found, "certificate").facts["serial"] == issued.certificate.serial


def test_before_the_start_date(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    start = tokyo_date(clock.now()) + timedelta(days=3)
    issued = house.issue(start_date=start)
    found = look(issued.terminal)
    assert found.main
    assert (found.can_log_on, found.main.topic, found.main.code) == (False, "start-ahead", "A0006")
    assert found.main.facts == {"start_on": start.isoformat()}
    clock.instant = day_start(start)
    assert look(issued.terminal).can_log_on


def test_the_end_of_a_certificate(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    issued = house.issue()
    last = tokyo_date(issued.certificate.not_after)
    seen = []
    for before in (29, 28, 7, 6, 0, -1):
        clock.instant = day_start(last - timedelta(days=before)) + timedelta(hours=10)
        house.crl.publish_if_due(clock.now())
        found = look(issued.terminal)
        seen.append([one.topic for one in found.findings if one.topic.startswith(("renewal", "certificate-"))])
        assert found.can_log_on is (before >= 0)
    assert seen == [
        ["renewal"],
        ["renewal-open"],
        ["renewal-open"],
        ["renewal-urgent"],
        ["renewal-urgent"],
        ["certificate-expired"],
    ]
    main = look(issued.terminal).main
    assert main
    assert (main.code, main.facts["last_on"]) == ("E104", last.isoformat())
    clock.instant = day_start(last)
    final = look(issued.terminal, Terms(fixed_end=last))
    assert finding(final, "renewal-final").verdict is Verdict.GOOD


def test_suspended_by_a_rule_and_by_hand(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    by_hand, by_rule = house.issue(), house.issue()
    house.endings.suspend(by_hand.terminal, SECURITY)
    with house.database.transaction() as session:
        rule = SuspensionRule.NOT_RENEWED
        terminals.step(session, by_rule.terminal, TerminalEvent.SUSPEND, clock.now(), rule=rule)
    mains = [look(one.terminal).main for one in (by_hand, by_rule)]
    assert [(one.topic, one.code) for one in mains if one] == [
        ("suspended-by-staff", "A0014"),
        ("suspended-by-rule-2", "A0014"),
    ]


@pytest.mark.parametrize("reason", [Reason.KEY_COMPROMISE, Reason.CESSATION_OF_OPERATION])
def test_revoked(house: House, look: Callable[..., Diagnosis], reason: Reason) -> None:
    issued = house.issue()
    house.endings.revoke(issued.terminal, reason, SECURITY)
    main = look(issued.terminal).main
    assert main
    wanted = "certificate-compromised" if reason is Reason.KEY_COMPROMISE else "certificate-revoked"
    assert (main.topic, main.code, main.facts["reason"]) == (wanted, "A0036", reason.value)


def test_abolished(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    [name] = house.new_terminals()
    with house.database.transaction() as session:
        terminals.step(session, name, TerminalEvent.ABOLISH, clock.now())
    assert [one.topic for one in look(name).findings] == ["service", "terminal-abolished"]


def test_a_reissue_leaves_the_old_pc_behind(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    old, old_key = issued_with_key(house)
    asked = house.reissues.request(old.terminal, ReissueReason.PC_REPLACED, HANAKO)
    assert finding(look(old.terminal), "reissue-requested").facts["reason"] == "pc-replaced"
    house.reissues.accept(asked.id, APPROVER)
    assert finding(look(old.terminal), "reissue-accepted").facts["reissue"] == asked.id
    clock.advance(timedelta(days=5))
    house.reissue_preparation.prepare(asked.id, PREPARER)
    prepared = look(old.terminal)
    assert prepared.can_log_on
    assert finding(prepared, "reissue-prepared").verdict is Verdict.NOTICE
    new = house.redemption.redeem(house.codes_of(old.terminal), new_request().pem, SOURCE)
    with pytest.raises(Refused, match="A0018"):
        house.logon.check(old.certificate.der, old.terminal, old_key)
    found = look(old.terminal)
    assert finding(found, "superseded-by-reissue").facts["serial"] == old.certificate.serial
    elsewhere = finding(found, "logon-refused-elsewhere")
    assert (elsewhere.code, elsewhere.facts["serial"]) == ("A0018", old.certificate.serial)
    assert finding(found, "certificate").facts["serial"] == new.certificate.serial
    clock.advance(timedelta(days=91))
    assert not {"superseded-by-reissue", "logon-refused-elsewhere"} & {one.topic for one in look(old.terminal).findings}


def test_a_renewal_leaves_the_old_certificate_behind(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    old, key = issued_with_key(house)
    clock.instant = old.certificate.not_after - timedelta(days=3)
    assert old.certificate.der
    new = house.renewal.renew(old.certificate.der, new_request().pem)
    house.logon.check(new.certificate.der, old.terminal, key)
    found = look(old.terminal)
    assert finding(found, "superseded-by-renewal").facts["serial"] == old.certificate.serial
    assert found.can_log_on


def test_refused_logons_are_noted_once_a_minute(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    issued, key = issued_with_key(house)
    house.endings.suspend(issued.terminal, SECURITY)
    for seconds in (0, 10, 70):
        clock.advance(timedelta(seconds=seconds))
        with pytest.raises(Refused, match="A0014"):
            house.logon.check(issued.certificate.der, issued.terminal, key)
    assert finding(look(issued.terminal), "logon-refused").facts["times"] == 2
    with house.database.transaction() as session:
        assert logon_refusals.purge(session, clock.now() + timedelta(days=91)) == 1


def test_wrong_access_keys_lock_the_logon(house: House, look: Callable[..., Diagnosis]) -> None:
    issued, _ = issued_with_key(house)
    for wanted in ("logon-mistyped", "logon-mistyped", "logon-mistyped", "logon-mistyped", "logon-locked"):
        with pytest.raises(Refused, match="A0018"):
            house.logon.check(issued.certificate.der, issued.terminal, "1234567890123")
        finding(look(issued.terminal), wanted)
    assert not look(issued.terminal).can_log_on


def test_our_own_troubles_come_first(house: House, clock: SettableClock, look: Callable[..., Diagnosis]) -> None:
    issued = house.issue()
    house.crl.publish_if_due(clock.now())
    assert finding(look(issued.terminal), "service").verdict is Verdict.GOOD
    clock.advance(timedelta(days=30))
    main = look(issued.terminal).main
    assert main
    assert (main.topic, main.code) == ("service-list-over", "E111")
    desk = BulletinDesk(house.database, clock)
    category = next(iter(CATEGORIES))
    number = desk.draft(Content(category, "障害のお知らせ", "Trouble", "本文", "Text", is_urgent=True), SECURITY)
    desk.publish(number, 1, SECURITY)
    told = finding(look(issued.terminal), "service-notice")
    assert (told.facts["number"], told.facts["title_en"]) == (number, "Trouble")


def test_there_is_no_diagnosis_of_what_there_is_not(house: House, clock: SettableClock) -> None:
    cases = Cases(house.database, clock)
    assert cases.examine("00000A") is None
    with pytest.raises(Refused, match="terminal-unknown"):
        cases.open("00000A", HANAKO)


def test_a_case_keeps_what_was_seen(house: House, clock: SettableClock) -> None:
    issued = house.issue()
    cases = Cases(house.database, clock)
    seen = cases.examine(issued.terminal)
    case = cases.open(issued.terminal, HANAKO)
    assert case.diagnosis == seen
    assert cases.open(issued.terminal, HANAKO).number == case.number
    house.endings.suspend(issued.terminal, SECURITY)
    later = cases.open(issued.terminal, HANAKO)
    assert later.number != case.number
    shown = diagnosis_cases.shown(case.number)
    for typed in (case.number, shown, shown.lower(), f" {shown} "):
        found = cases.find(typed)
        assert found
        assert (found.diagnosis, found.opened_by) == (seen, str(HANAKO))
    assert cases.find("") is None
    assert cases.find(case.number + "A") is None
    clock.advance(KEPT)
    assert cases.find(case.number) is None
    with house.database.transaction() as session:
        assert diagnosis_cases.purge(session, clock.now()) == 2


def test_nobody_fills_the_table(house: House, clock: SettableClock) -> None:
    issued = house.issue()
    cases = Cases(house.database, clock)
    for _ in range(MOST):
        cases.open(issued.terminal, HANAKO)
        clock.advance(timedelta(minutes=11))
    with pytest.raises(Refused, match="diagnosis-most"):
        cases.open(issued.terminal, HANAKO)
    clock.advance(timedelta(days=1))
    cases.open(issued.terminal, HANAKO)
