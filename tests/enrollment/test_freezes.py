"""Freezes by the office: mailed, on record, and lifted by the administrator's consent and a staff member's deed together."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from enrollment.code_sets import CodeSetState
from enrollment.id_notices import IdNotices, NoticeLine
from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.errors import Refused
from registry import news
from registry.letters import Letters
from tests.enrollment.filings import approved, to_prepare
from tests.support.house import OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

HANAKO, JIRO = audit.customer(OFFICE, "hanako"), audit.customer(OFFICE, "jiro")
URL = "https://portal.example.jp"


@pytest.fixture
def number(house: House) -> str:
    house.new_terminals()
    receipt_number = approved(house)
    house.preparation.prepare(receipt_number, PREPARER)
    return receipt_number


@pytest.fixture
def terminal(house: House, number: str) -> str:
    return to_prepare(house, number)[0]


@pytest.fixture
def notices(house: House) -> IdNotices:
    """Return notices of an office whose administrator is hanako."""
    return replace(house.notices, administrators=lambda _: {str(HANAKO)}, letters=Letters(URL))


def line(notices: IdNotices, number: str, terminal: str) -> NoticeLine:
    notice = notices.notice(number, OFFICE)
    assert notice
    return next(one for one in notice.terminals if one.terminal == terminal)


def told(house: House, subject: str) -> list[tuple[str, str]]:
    with house.database.snapshot() as session:
        mails = outbox.search(session, outbox.Wanted(office_code=OFFICE), most=100)
    return [(mail.recipient, mail.body) for mail in mails if subject in mail.subject]


def actions(house: House, terminal: str) -> list[tuple[str, str]]:
    query = select(AuditEntry.action, AuditEntry.actor).where(AuditEntry.subject == f"terminal:{terminal}")
    with house.database.snapshot() as session:
        rows = session.execute(query.where(AuditEntry.action.like("codes.%")).order_by(AuditEntry.id)).all()
    return [(action, actor) for action, actor in rows if action != "codes.prepare"]


def test_a_freeze_is_mailed_to_administrator_and_applicant_without_a_code(
    house: House, notices: IdNotices, number: str, terminal: str
) -> None:
    codes = house.codes_of(terminal)
    notices.freeze(number, OFFICE, terminal, JIRO)
    mails = told(house, "コード凍結の")
    assert len(mails) == len({recipient for recipient, _ in mails}) >= 1
    for _, body in mails:
        assert f"{URL}/applications/{number}/id-notice" in body
        assert "jiro" in body
        assert not any(secret in body for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))
    with house.database.snapshot() as session:
        assert news.latest(session, OFFICE)[0].code == "codes-frozen"


def test_all_codes_of_a_notice_are_frozen_at_once(house: House, notices: IdNotices, number: str, terminal: str) -> None:
    house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)
    others = tuple(name for name in sorted(to_prepare(house, number)) if name != terminal)
    assert notices.freeze_all(number, OFFICE, JIRO) == others
    assert notices.freeze_all(number, OFFICE, JIRO) == ()
    assert notices.freeze_all(number, "NAC002", audit.customer("NAC002", "mallory")) == ()
    assert {line(notices, number, name).state for name in others} == {CodeSetState.FROZEN}
    assert line(notices, number, terminal).state is CodeSetState.REDEEMED
    assert len({body for _, body in told(house, "コード凍結の")}) == len(told(house, "コード凍結の"))


Step = Callable[[House, IdNotices, str, str], bool]


def consent(house: House, notices: IdNotices, number: str, terminal: str) -> bool:
    del house
    return notices.consent(number, OFFICE, terminal, HANAKO)


def release(house: House, notices: IdNotices, number: str, terminal: str) -> bool:
    del notices, number
    return house.preparation.thaw(terminal, PREPARER)


@pytest.mark.parametrize(("first", "second"), [(consent, release), (release, consent)])
def test_it_takes_both_to_thaw_in_either_order(
    house: House, notices: IdNotices, number: str, terminal: str, first: Step, second: Step
) -> None:
    codes = house.codes_of(terminal)
    notices.freeze(number, OFFICE, terminal, JIRO)
    assert not first(house, notices, number, terminal)
    assert not first(house, notices, number, terminal)
    with pytest.raises(Refused, match="codes-frozen"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    assert second(house, notices, number, terminal)
    assert line(notices, number, terminal).freeze is None
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).terminal == terminal
    done: dict[Step, tuple[str, str]] = {consent: ("codes.consent", str(HANAKO)), release: ("codes.release", str(PREPARER))}
    thawed = ("codes.thaw", done[second][1])
    assert actions(house, terminal) == [("codes.freeze", str(JIRO)), done[first], done[second], thawed]
    assert bool(told(house, "解除への同意のお願い")) == (first is release)
    assert told(house, "凍結解除のお知らせ")


def test_the_page_is_told_who_has_agreed(house: House, notices: IdNotices, number: str, terminal: str) -> None:
    notices.freeze(number, OFFICE, terminal, JIRO)
    notices.consent(number, OFFICE, terminal, HANAKO)
    freeze = line(notices, number, terminal).freeze
    assert freeze
    assert (freeze.frozen_by, freeze.consent_by, freeze.release_by) == (str(JIRO), str(HANAKO), None)
    assert freeze.consent_at == house.clock.now()


def test_only_the_offices_administrator_consents(house: House, notices: IdNotices, number: str, terminal: str) -> None:
    notices.freeze(number, OFFICE, terminal, JIRO)
    with pytest.raises(Refused, match="not-administrator"):
        notices.consent(number, OFFICE, terminal, JIRO)
    everywhere = replace(notices, administrators=lambda _: {"customer:NAC002/mallory"})
    with pytest.raises(Refused, match="codes-none"):
        everywhere.consent(number, "NAC002", terminal, audit.customer("NAC002", "mallory"))
    house.preparation.thaw(terminal, PREPARER)
    assert line(notices, number, terminal).state is CodeSetState.FROZEN


def test_there_is_nothing_to_consent_to_unless_somebody_of_the_office_froze(
    house: House, notices: IdNotices, number: str, terminal: str
) -> None:
    with pytest.raises(Refused, match="code-set-state"):
        notices.consent(number, OFFICE, terminal, HANAKO)
    notices.freeze(number, OFFICE, terminal, SECURITY)
    with pytest.raises(Refused, match="freeze-by-staff"):
        notices.consent(number, OFFICE, terminal, HANAKO)
    assert not told(house, "コード凍結の")
    assert house.preparation.thaw(terminal, PREPARER)


def test_a_second_freeze_needs_both_again(house: House, notices: IdNotices, number: str, terminal: str) -> None:
    for _ in range(2):
        notices.freeze(number, OFFICE, terminal, JIRO)
        assert not notices.consent(number, OFFICE, terminal, HANAKO)
        assert house.preparation.thaw(terminal, PREPARER)
    assert [action for action, _ in actions(house, terminal)].count("codes.consent") == 2


def test_a_suspended_terminals_freeze_is_not_lifted(house: House, notices: IdNotices, number: str, terminal: str) -> None:
    notices.freeze(number, OFFICE, terminal, JIRO)
    house.endings.suspend(terminal, SECURITY)
    with pytest.raises(Refused, match="terminal-state"):
        notices.consent(number, OFFICE, terminal, HANAKO)


def test_the_mail_about_codes_says_where_anyone_freezes_them(house: House, number: str) -> None:
    [(_, body), *_] = told(house, "デジタル証明書発行完了")
    assert f"https://localhost:8443/applications/{number}/id-notice/freeze" in body
