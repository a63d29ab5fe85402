"""Codes that are shown in two halves, to two people: who is whom, what each sees, and that neither redeems anything alone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from enrollment.disclosure import FIELDS, Disclosure, Disclosures, Part, ShownCodes
from enrollment.id_notices import IdNotices
from enrollment.reissue_records import ReissueReason
from kernel import audit, outbox
from kernel.audit import Actor, AuditEntry
from kernel.clock import day_start
from kernel.errors import Refused
from tests.enrollment.filings import approved, to_prepare
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, PREPARER, SECURITY, SOURCE, House, new_request
from tests.support.statements import statements_of

HANAKO, JIRO, SABURO = (audit.customer(OFFICE, login) for login in ("hanako", "jiro", "saburo"))


def split(house: House, *administrators: Actor) -> IdNotices:
    """Let the office's codes be split, among these administrators and the others."""
    assert Disclosures(house.database, house.clock).choose(OFFICE, Disclosure.SPLIT, SECURITY)
    named = {str(actor) for actor in administrators}
    return replace(house.notices, administrators=lambda office: named if office == OFFICE else set())


def prepared(house: House) -> tuple[str, str]:
    """Return receipt number and first terminal of an application by hanako whose codes are prepared."""
    house.new_terminals()
    receipt_number = approved(house)
    house.preparation.prepare(receipt_number, PREPARER)
    return receipt_number, to_prepare(house, receipt_number)[0]


def test_without_a_word_of_the_contract_codes_are_whole(house: House) -> None:
    number, terminal = prepared(house)
    codes = house.codes_of(terminal)
    shown = house.notices.reveal(number, OFFICE, terminal, HANAKO)
    assert shown == ShownCodes(Part.WHOLE, codes.access_key, codes.auth_code_2, codes.auth_code_3)
    assert codes.access_key not in repr(shown)


def test_each_half_goes_to_one_person_and_is_on_record(house: House) -> None:
    number, terminal = prepared(house)
    notices, codes = split(house, JIRO), house.codes_of(terminal)
    upper = notices.reveal(number, OFFICE, terminal, JIRO)
    lower = notices.reveal(number, OFFICE, terminal, HANAKO)
    assert upper == ShownCodes(Part.ADMINISTRATOR, access_key=codes.access_key, auth_code_2=codes.auth_code_2)
    assert lower == ShownCodes(Part.APPLICANT, auth_code_3=codes.auth_code_3)
    notice = notices.notice(number, OFFICE, reader=SABURO)
    assert notice
    assert notice.disclosure is Disclosure.SPLIT
    line = next(line for line in notice.terminals if line.terminal == terminal)
    assert [(showing.viewer, showing.part) for showing in line.showings] == [
        (str(JIRO), Part.ADMINISTRATOR),
        (str(HANAKO), Part.APPLICANT),
    ]
    assert (line.part, line.applicant) == (None, str(HANAKO))
    with house.database.snapshot() as session:
        facts = session.scalars(select(AuditEntry.facts).where(AuditEntry.action == "codes.show").order_by(AuditEntry.id)).all()
    assert [fact["part"] for fact in facts] == ["administrator", "applicant"]


def test_nobody_is_shown_all_of_split_codes_nor_a_stranger_anything(house: House) -> None:
    number, terminal = prepared(house)
    notices = split(house, JIRO)
    for viewer in (HANAKO, JIRO):
        with pytest.raises(Refused, match="codes-split"):
            notices.show(number, OFFICE, terminal, viewer)
    with pytest.raises(Refused, match="codes-others"):
        notices.reveal(number, OFFICE, terminal, SABURO)
    with pytest.raises(Refused, match="codes-none"):
        notices.reveal(number, "NAC002", terminal, audit.customer("NAC002", "mallory"))
    line = notices.notice(number, OFFICE)
    assert line
    assert not any(one.showings for one in line.terminals)


def test_whoever_is_both_sees_the_administrators_half_and_somebody_else_the_other(house: House) -> None:
    number, terminal = prepared(house)
    notices = split(house, HANAKO)
    assert notices.reveal(number, OFFICE, terminal, HANAKO).part is Part.ADMINISTRATOR
    assert notices.reveal(number, OFFICE, terminal, JIRO).part is Part.APPLICANT
    notice = notices.notice(number, OFFICE, reader=JIRO)
    assert notice
    assert {line.applicant for line in notice.terminals} == {None}


def test_whoever_changes_sides_sees_no_second_half(house: House) -> None:
    number, terminal = prepared(house)
    before = split(house, JIRO)
    before.reveal(number, OFFICE, terminal, HANAKO)
    before.reveal(number, OFFICE, terminal, JIRO)
    after = replace(house.notices, administrators=lambda _: {str(HANAKO)})
    for viewer in (HANAKO, JIRO):
        with pytest.raises(Refused, match="codes-others"):
            after.reveal(number, OFFICE, terminal, viewer)


@pytest.mark.parametrize("part", [Part.ADMINISTRATOR, Part.APPLICANT])
def test_a_half_alone_never_redeems(house: House, part: Part) -> None:
    _, terminal = prepared(house)
    codes = house.codes_of(terminal)
    guess = {name: "222222"[: len(getattr(codes, name))] for name in FIELDS[Part.WHOLE] if name not in FIELDS[part]}
    with pytest.raises(Refused, match="codes-wrong"):
        house.redemption.redeem(replace(codes, **guess), new_request().pem, SOURCE)


def test_codes_of_a_reissue_are_split_between_administrator_and_whoever_asked(house: House, clock: SettableClock) -> None:
    terminal = house.issue().terminal
    reissue = house.reissues.request(terminal, ReissueReason.PC_REPLACED, JIRO, office_code=OFFICE)
    accepted = house.reissues.accept(reissue.id, SECURITY)
    assert accepted.ready_on
    clock.instant = day_start(accepted.ready_on)
    house.reissue_preparation.prepare(reissue.id, PREPARER)
    notices, codes = split(house, HANAKO), house.codes_of(terminal)
    with pytest.raises(Refused, match="codes-others"):
        notices.reveal(None, OFFICE, terminal, SABURO)
    assert notices.reveal(None, OFFICE, terminal, JIRO) == ShownCodes(Part.APPLICANT, auth_code_3=codes.auth_code_3)
    assert notices.reveal(None, OFFICE, terminal, HANAKO).access_key == codes.access_key


def test_the_applicants_half_of_codes_that_no_account_asked_for_is_anyones_but_the_administrators(house: House) -> None:
    [(terminal, _)] = house.new_codes()
    notices = split(house, HANAKO)
    assert notices.reveal(None, OFFICE, terminal, SABURO).part is Part.APPLICANT
    assert notices.reveal(None, OFFICE, terminal, HANAKO).part is Part.ADMINISTRATOR


def test_a_split_notice_asks_as_often_for_many_terminals_as_for_one(house: House) -> None:
    house.new_terminals()
    notices, asked = split(house, JIRO), {}
    for count in (1, 4):
        number = approved(house, {"add.web.sea": [str(count)]})
        house.preparation.prepare(number, PREPARER)
        terminals = to_prepare(house, number)
        notices.reveal(number, OFFICE, terminals[0], HANAKO)
        notices.freeze(number, OFFICE, terminals[-1], HANAKO)
        with statements_of(house.database) as sent:
            notice = notices.notice(number, OFFICE, reader=SABURO)
        assert notice
        assert {line.applicant for line in notice.terminals} == {str(HANAKO)}
        assert [line.terminal for line in notice.terminals if line.freeze] == [terminals[-1]]
        asked[count] = len(sent)
    assert asked[1] == asked[4]


def test_staff_choose_on_record_and_the_administrator_is_told_once(house: House, clock: SettableClock) -> None:
    disclosures = Disclosures(house.database, clock)
    assert not disclosures.choose(OFFICE, Disclosure.WHOLE, SECURITY)
    assert disclosures.choose(OFFICE, Disclosure.SPLIT, SECURITY)
    assert not disclosures.choose(OFFICE, Disclosure.SPLIT, SECURITY)
    clock.advance(timedelta(days=1))
    assert disclosures.choose(OFFICE, Disclosure.WHOLE, SECURITY)
    with pytest.raises(Refused, match="office-unknown"):
        disclosures.choose("ZZZ999", Disclosure.SPLIT, SECURITY)
    with house.database.snapshot() as session:
        chosen = session.scalars(select(AuditEntry).where(AuditEntry.action == "contract.disclose").order_by(AuditEntry.id)).all()
        mails = outbox.search(session, outbox.Wanted(office_code=OFFICE))
    assert [entry.facts["disclosure"] for entry in chosen] == ["split", "whole"]
    assert {(entry.subject, entry.actor) for entry in chosen} == {(f"office:{OFFICE}", str(SECURITY))}
    assert [mail.recipient for mail in mails] == ["hanako@example.jp"] * 2
