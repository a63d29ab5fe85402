from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select

from enrollment import id_notices
from enrollment.code_sets import CodeSetState
from enrollment.disclosure import Showing
from enrollment.id_notices import IdNotices, NoticeLine
from enrollment.tables import CodeSetRow, CodeShowingRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.clock import day_start
from kernel.errors import Refused, Unavailable
from keys.codes import Opener, UnsealingError
from tests.crash.faults import Fault, Harm, Place
from tests.enrollment.filings import approved, to_prepare
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request

HANAKO = audit.customer(OFFICE, "hanako")


@pytest.fixture
def receipt_number(house: House) -> str:
    house.new_terminals()
    receipt_number = approved(house)
    house.preparation.prepare(receipt_number, PREPARER)
    return receipt_number


@pytest.fixture
def terminal(house: House, receipt_number: str) -> str:
    return to_prepare(house, receipt_number)[0]


def line_of(house: House, receipt_number: str, terminal: str) -> NoticeLine:
    notice = house.notices.notice(receipt_number, OFFICE)
    assert notice
    [line] = [line for line in notice.terminals if line.terminal == terminal]
    return line


def showings(house: House) -> int:
    with house.database.snapshot() as session:
        recorded = session.scalars(select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "codes.show")).one()
        assert session.scalars(select(func.count()).select_from(CodeShowingRow)).one() == recorded
    return recorded


def test_the_notice_names_the_terminals_and_no_secret(house: House, receipt_number: str) -> None:
    notice = house.notices.notice(receipt_number, OFFICE)
    assert notice
    assert [line.terminal for line in notice.terminals] == list(to_prepare(house, receipt_number))
    for line in notice.terminals:
        codes = house.codes_of(line.terminal)
        assert line.auth_code_1 == f"NAC{line.terminal[-4:]}"
        assert (line.state, line.showable, line.showings) == (CodeSetState.PREPARED, True, ())
        assert not any(secret in repr(notice) for secret in (codes.access_key, codes.auth_code_2, codes.auth_code_3))


def test_another_office_sees_nothing(house: House, receipt_number: str, terminal: str) -> None:
    assert house.notices.notice(receipt_number, "NAC002") is None
    for deed in (house.notices.show, house.notices.freeze):
        with pytest.raises(Refused, match="codes-none"):
            deed(receipt_number, "NAC002", terminal, audit.customer("NAC002", "mallory"))
    assert showings(house) == 0
    assert line_of(house, receipt_number, terminal).state is CodeSetState.PREPARED


def test_another_application_has_no_such_terminal(house: House, terminal: str) -> None:
    with pytest.raises(Refused, match="codes-none"):
        house.notices.show("999999Z", OFFICE, terminal, HANAKO)
    with pytest.raises(Refused, match="codes-none"):
        house.notices.show(None, OFFICE, terminal, HANAKO)
    assert house.notices.notice("999999Z", OFFICE) is None


def test_each_showing_is_on_record_for_the_customer_to_see(
    house: House, receipt_number: str, terminal: str, clock: SettableClock
) -> None:
    first = clock.now()
    codes = house.notices.show(receipt_number, OFFICE, terminal, HANAKO)
    second = clock.advance(timedelta(hours=1))
    assert house.notices.show(receipt_number, OFFICE, terminal, audit.customer(OFFICE, "jiro")) == codes
    assert line_of(house, receipt_number, terminal).showings == (
        Showing(first, "customer:NAC001/hanako"),
        Showing(second, "customer:NAC001/jiro"),
    )
    assert showings(house) == 2
    assert house.redemption.redeem(codes, new_request().pem, SOURCE).terminal == terminal


def test_codes_are_not_revealed_when_the_showing_cannot_be_recorded(house: House, receipt_number: str, terminal: str) -> None:
    Fault(Place.COMMIT, 1, Harm.REFUSED).arm(house.database)
    with pytest.raises(Unavailable):
        house.notices.show(receipt_number, OFFICE, terminal, HANAKO)
    assert showings(house) == 0


def test_a_showing_that_fails_to_open_is_on_record_all_the_same(house: House, receipt_number: str, terminal: str) -> None:
    blind = IdNotices(house.database, house.clock, Opener(X25519PrivateKey.generate()))
    with pytest.raises(UnsealingError):
        blind.show(receipt_number, OFFICE, terminal, HANAKO)
    assert showings(house) == 1


@pytest.mark.parametrize("ended", ["redeemed", "frozen", "expired", "over"])
def test_codes_that_have_served_are_not_shown(
    house: House, receipt_number: str, terminal: str, clock: SettableClock, ended: str
) -> None:
    line = line_of(house, receipt_number, terminal)
    match ended:
        case "redeemed":
            house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)
        case "frozen":
            house.notices.freeze(receipt_number, OFFICE, terminal, HANAKO)
        case "expired" | "over":
            clock.instant = day_start(line.expires_on + timedelta(days=1))
            if ended == "expired":
                assert id_notices.expire_due(house.database, clock.now()) == 2
    assert not line_of(house, receipt_number, terminal).showable
    with pytest.raises(Refused, match="codes-not-showable"):
        house.notices.show(receipt_number, OFFICE, terminal, HANAKO)
    assert showings(house) == 0


def test_replaced_codes_leave_the_notice_and_the_new_ones_stand_there(house: House, receipt_number: str, terminal: str) -> None:
    old = house.notices.show(receipt_number, OFFICE, terminal, HANAKO)
    house.preparation.replace(terminal, PREPARER)
    assert line_of(house, receipt_number, terminal).showings == ()
    assert house.notices.show(receipt_number, OFFICE, terminal, HANAKO).access_key != old.access_key


def test_after_a_reissue_the_open_codes_are_shown(house: House, receipt_number: str, terminal: str) -> None:
    house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)
    house.preparation.prepare_existing(terminal, APPROVER, PREPARER)
    assert house.notices.show(receipt_number, OFFICE, terminal, HANAKO) == house.codes_of(terminal)


def test_an_office_freezes_its_codes_itself_once(house: House, receipt_number: str, terminal: str) -> None:
    codes = house.codes_of(terminal)
    house.notices.freeze(receipt_number, OFFICE, terminal, HANAKO)
    with pytest.raises(Refused, match="codes-frozen"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    with pytest.raises(Refused, match="code-set-state"):
        house.notices.freeze(receipt_number, OFFICE, terminal, HANAKO)
    with house.database.snapshot() as session:
        frozen = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "codes.freeze")).all()
    assert frozen == [str(HANAKO)]


def test_redeemed_codes_cannot_be_frozen(house: House, receipt_number: str, terminal: str) -> None:
    house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)
    with pytest.raises(Refused, match="code-set-state"):
        house.notices.freeze(receipt_number, OFFICE, terminal, HANAKO)


def sealed(house: House, terminal: str) -> bool:
    return house.code_set_rows(terminal)[-1].sealed is not None


def test_the_copy_of_redeemed_codes_goes_a_day_later(
    house: House, receipt_number: str, terminal: str, clock: SettableClock
) -> None:
    del receipt_number
    house.redemption.redeem(house.codes_of(terminal), new_request().pem, SOURCE)
    assert id_notices.forget_redeemed(house.database, clock.advance(timedelta(hours=24))) == 0
    assert sealed(house, terminal)
    assert id_notices.forget_redeemed(house.database, clock.advance(timedelta(seconds=1))) == 1
    assert not sealed(house, terminal)
    assert id_notices.forget_redeemed(house.database, clock.now()) == 0


def test_codes_end_when_their_last_day_is_over_and_only_once(house: House, clock: SettableClock) -> None:
    [(first, _), (second, codes), (third, _)] = house.new_codes(3)
    house.notices.freeze(None, OFFICE, first, SECURITY)
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    last_day = house.code_set_rows(third)[0].expires_on
    clock.instant = day_start(last_day + timedelta(days=1)) - timedelta(seconds=1)
    assert id_notices.expire_due(house.database, clock.now()) == 0
    assert id_notices.expire_due(house.database, clock.advance(timedelta(seconds=1))) == 2
    assert id_notices.expire_due(house.database, clock.advance(timedelta(days=40))) == 0
    assert [house.code_set_rows(name)[0].state for name in (first, second, third)] == ["expired", "redeemed", "expired"]
    assert not sealed(house, first)
    with house.database.snapshot() as session:
        ended = session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "codes.expire")).all()
        assert session.scalars(select(CodeSetRow.id).where(CodeSetRow.state == "expired")).all()
    assert sorted(ended) == sorted([f"terminal:{first}", f"terminal:{third}"])
