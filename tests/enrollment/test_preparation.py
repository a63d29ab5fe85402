from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from enrollment.preparation import CodePreparation
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.errors import Refused
from kernel.outbox import OutboxMail
from keys.codes import UnsealingError
from registry import applications, news
from registry.states import ApplicationState
from tests.enrollment.filings import approved, filed, start_of, to_prepare
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request


@pytest.fixture
def receipt_number(house: House) -> str:
    house.new_terminals()
    return approved(house)


def mails_of(house: House) -> list[OutboxMail]:
    with house.database.snapshot() as session:
        return [mail for mail in session.scalars(select(OutboxMail)) if "発行完了" in mail.subject]


def test_each_new_terminal_gets_a_code_set(house: House, receipt_number: str) -> None:
    waiting = to_prepare(house, receipt_number)
    assert house.preparation.prepare(receipt_number, PREPARER) == waiting
    assert len(waiting) == 2
    for terminal in waiting:
        [row] = house.code_set_rows(terminal)
        assert (row.state, row.receipt_number, row.start_date) == ("prepared", receipt_number, start_of(house))
        assert (row.approver, row.preparer) == (str(APPROVER), str(PREPARER))
        assert house.codes_of(terminal).office_code == OFFICE
    with house.database.snapshot() as session:
        application = applications.find(session, receipt_number)
        entries = session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "codes.prepare")).all()
    assert application
    assert application.state is ApplicationState.PREPARED
    assert entries == [f"terminal:{terminal}" for terminal in waiting]


def test_administrator_and_applicant_are_told_without_any_code(house: House, receipt_number: str) -> None:
    waiting = house.preparation.prepare(receipt_number, PREPARER)
    mails = mails_of(house)
    assert {mail.recipient for mail in mails} == {"hanako@example.jp", "jiro@example.jp"}
    # Each is greeted by their own name.
    assert len({mail.body.splitlines()[1] for mail in mails}) == 2
    for mail in mails:
        assert mail.subject == "【NSS】デジタル証明書発行完了のお知らせ"
        assert receipt_number in mail.body
        for terminal in waiting:
            codes = house.codes_of(terminal)
            assert terminal in mail.body
            assert not any(secret in mail.body for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))
    with house.database.snapshot() as session:
        line = news.latest(session, OFFICE)[0]
    assert (line.code, line.target, line.facts) == ("codes-prepared", f"id_notice:{receipt_number}", {"count": 2})


def test_whoever_approved_does_not_prepare(house: House, receipt_number: str) -> None:
    with pytest.raises(Refused, match="same-person"):
        house.preparation.prepare(receipt_number, APPROVER)
    assert len(to_prepare(house, receipt_number)) == 2


def test_the_database_holds_to_four_eyes_by_itself(house: House) -> None:
    house.new_codes()
    with pytest.raises(IntegrityError), house.database.transaction() as session:
        row = session.scalars(select(CodeSetRow)).one()
        row.preparer = row.approver


def test_an_application_is_prepared_once(house: House, receipt_number: str) -> None:
    house.preparation.prepare(receipt_number, PREPARER)
    with pytest.raises(Refused, match="application-state"):
        house.preparation.prepare(receipt_number, PREPARER)
    assert len(mails_of(house)) == 2


def test_what_is_not_approved_is_not_prepared(house: House) -> None:
    house.new_terminals()
    with pytest.raises(Refused, match="application"):
        house.preparation.prepare(filed(house, {"add.web.sea": ["1"]}), PREPARER)
    with pytest.raises(Refused, match="application-unknown"):
        house.preparation.prepare("999999Z", PREPARER)


def test_an_application_without_new_terminals_has_nothing_to_prepare(house: House) -> None:
    [terminal] = house.new_terminals()
    with pytest.raises(Refused, match="nothing-to-prepare"):
        house.preparation.prepare(approved(house, {"abolish": [terminal]}), PREPARER)


def test_a_taken_over_terminal_gets_codes_from_two_people_once(house: House) -> None:
    [terminal] = house.new_terminals()
    with pytest.raises(Refused, match="same-person"):
        house.preparation.prepare_existing(terminal, PREPARER, PREPARER)
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    with pytest.raises(Refused, match="codes-open"):
        house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    with pytest.raises(Refused, match="terminal-unknown"):
        house.preparation.prepare_existing("00000A", APPROVER, PREPARER)


def test_a_suspended_terminal_gets_no_codes(house: House) -> None:
    [terminal] = house.new_terminals()
    house.endings.suspend(terminal, SECURITY)
    with pytest.raises(Refused, match="terminal-state"):
        house.preparation.prepare_existing(terminal, APPROVER, PREPARER)


def test_replaced_codes_end_and_others_take_their_place(house: House) -> None:
    [(terminal, old)] = house.new_codes()
    house.preparation.replace(terminal, PREPARER)
    new = house.codes_of(terminal)
    assert {old.access_key, old.auth_code_2, old.auth_code_3}.isdisjoint({new.access_key, new.auth_code_2, new.auth_code_3})
    [replaced] = [row for row in house.code_set_rows(terminal) if row.state == "replaced"]
    assert replaced.sealed is None
    with pytest.raises(Refused, match="codes-replaced"):
        house.redemption.redeem(old, new_request().pem, SOURCE)
    assert house.redemption.redeem(new, new_request().pem, SOURCE).is_new


def test_their_approver_does_not_replace_codes(house: House) -> None:
    [(terminal, _)] = house.new_codes()
    with pytest.raises(Refused, match="same-person"):
        house.preparation.replace(terminal, APPROVER)
    assert [row.state for row in house.code_set_rows(terminal)] == ["prepared"]


@pytest.mark.parametrize("deed", ["replace", "unlock", "thaw"])
def test_there_must_be_open_codes(house: House, deed: str) -> None:
    terminal = house.issue().terminal
    with pytest.raises(Refused, match="codes-none"):
        getattr(house.preparation, deed)(terminal, PREPARER)


def test_unlocking_is_on_record_and_works_at_once(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    wrong = replace(codes, auth_code_2="WRONG2")
    for _ in range(5):
        with pytest.raises(Refused, match="codes-wrong"):
            house.redemption.redeem(wrong, b"", SOURCE)
    with pytest.raises(Refused, match="throttled"):
        house.redemption.redeem(codes, b"", SOURCE)
    house.preparation.unlock(terminal, PREPARER)
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).is_new
    with house.database.snapshot() as session:
        assert session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "codes.unlock")).all() == [str(PREPARER)]


def test_only_frozen_codes_thaw(house: House) -> None:
    [(terminal, codes)] = house.new_codes()
    with pytest.raises(Refused, match="code-set-state"):
        house.preparation.thaw(terminal, PREPARER)
    house.notices.freeze(None, OFFICE, terminal, SECURITY)
    house.preparation.thaw(terminal, PREPARER)
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).is_new


def test_a_suspended_terminals_codes_do_not_thaw(house: House) -> None:
    [(terminal, _)] = house.new_codes()
    house.endings.suspend(terminal, SECURITY)
    with pytest.raises(Refused, match="terminal-state"):
        house.preparation.thaw(terminal, PREPARER)


def test_of_codes_made_together_one_goes_and_the_others_stay_readable(house: House, receipt_number: str) -> None:
    gone, stays = house.preparation.prepare(receipt_number, PREPARER)
    house.preparation.replace(gone, PREPARER)
    [ended, _] = sorted(house.code_set_rows(gone), key=lambda row: row.state == "prepared")
    assert ended.sealed is None
    assert house.codes_of(stays).office_code == OFFICE


def test_the_sealed_copy_of_another_row_does_not_open_though_it_was_made_together(house: House, receipt_number: str) -> None:
    one, other = house.preparation.prepare(receipt_number, PREPARER)
    with house.database.transaction() as session:
        rows = {row.terminal: row for row in session.scalars(select(CodeSetRow))}
        rows[one].sealed = rows[other].sealed
    with pytest.raises(UnsealingError):
        house.codes_of(one)


def test_preparation_cannot_read_what_it_sealed(house: House) -> None:
    held = [name for name in CodePreparation.__dataclass_fields__ if "open" in name or "private" in name]
    assert held == []
    assert not hasattr(house.preparation.sealer, "open")


def test_the_preparer_is_whoever_acts(house: House) -> None:
    [terminal] = house.new_terminals()
    house.preparation.prepare_existing(terminal, APPROVER, audit.staff("somebody"))
    assert house.code_set_rows(terminal)[0].preparer == "staff:somebody"
