"""Changes of addresses: by both sides, or by staff in their stead."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry
from kernel.errors import Refused
from registry import applications, offices
from registry.applicants import Contact
from registry.letters import Letters
from tests.webui.conftest import APPLICANT, Doors
from tests.webui.mailbox import PORTAL, Mailbox
from webui.accounts import Door, Person, UserLetters
from webui.accounts.addresses import AddressChanges, ChangeState, open_changes

STAFF = audit.staff("ito")
NEW = "new@example.jp"
KYOKO = Contact("税関", "京子", "ゼイカン", "キョウコ", "総務部", "部長", "0398765432", "", "kyoko@example.jp")


@dataclass(frozen=True)
class Desk:
    """The use cases over the doors' database, and everybody's mailbox."""

    doors: Doors
    changes: AddressChanges
    mailbox: Mailbox
    hanako: Person

    def mail(self) -> str:
        """Return the address of hanako's account."""
        return next(one.mail for one in self.doors.accounts.listed(self.hanako.door) if one.login == "hanako")

    def administrator(self) -> Contact:
        """Return the office's administrator."""
        with self.doors.database.snapshot() as session:
            office = offices.get(session, "NAC001")
        assert office is not None
        return office.administrator

    def tokens(self, *recipients: str) -> list[str]:
        """Fetch, and return each one's newest link."""
        return [self.mailbox.token_of(recipient) for recipient in recipients]

    def actions(self) -> list[str]:
        """Return what the log says of addresses."""
        with self.doors.database.snapshot() as session:
            found = session.scalars(
                select(AuditEntry.action).where(AuditEntry.action.startswith("address.")).order_by(AuditEntry.id)
            )
            return list(found.all())


@pytest.fixture
def desk(doors: Doors) -> Desk:
    changes = AddressChanges(doors.database, doors.clock, UserLetters(Letters(PORTAL)))
    hanako = next(one for one in doors.accounts.listed(Door.PORTAL) if one.login == "hanako")
    return Desk(doors, changes, Mailbox(doors.database, doors.clock), hanako)


def refusal(desk: Desk, token: str) -> str:
    with pytest.raises(Refused) as refused:
        desk.changes.confirm(token)
    return refused.value.code


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_users_mail_changes_when_both_addresses_have_confirmed(desk: Desk, order: tuple[int, int]) -> None:
    desk.changes.of_user(desk.hanako, NEW)
    tokens = desk.tokens("hanako@example.jp", NEW)
    first = desk.changes.confirm(tokens[order[0]])
    assert (first.state, desk.mail()) == (ChangeState.OPEN, "hanako@example.jp")
    assert refusal(desk, tokens[order[0]]) == "link-invalid"
    second = desk.changes.confirm(tokens[order[1]])
    assert (second.state, desk.mail()) == (ChangeState.DONE, NEW)
    assert sorted(letter.recipient for letter in desk.mailbox.fetch()) == ["hanako@example.jp", NEW]
    assert desk.actions() == ["address.request", "address.confirm", "address.confirm", "address.change"]


def greetings(desk: Desk) -> dict[str, set[tuple[str, str]]]:
    """Return how each recipient was greeted, in Japanese and in English."""
    found: dict[str, set[tuple[str, str]]] = {}
    for letter in desk.mailbox.letters:
        english = letter.body.partition("\nTo: ")[2].partition("\n")[0]
        found.setdefault(letter.recipient, set()).add((letter.body.partition("\n")[0], english))
    return found


def test_each_mail_greets_its_reader_by_name(desk: Desk) -> None:
    desk.changes.of_user(desk.hanako, NEW)
    for token in desk.tokens("hanako@example.jp", NEW):
        desk.changes.confirm(token)
    desk.mailbox.fetch()
    by_name = {("通関 花子　様", "通関 花子")}
    assert greetings(desk) == {"hanako@example.jp": by_name, NEW: by_name}


def test_both_administrators_are_greeted_by_their_own_names(desk: Desk) -> None:
    desk.changes.of_administrator(desk.hanako, KYOKO)
    before = desk.administrator()
    for token in desk.tokens(before.mail, KYOKO.mail):
        desk.changes.confirm(token)
    desk.mailbox.fetch()
    names = {contact.mail: contact.full_name for contact in (before, KYOKO)}
    assert greetings(desk) == {mail: {(f"{name}　様", name)} for mail, name in names.items()}


def test_an_applicant_is_greeted_by_name(desk: Desk) -> None:
    desk.changes.of_applicant(desk.hanako, desk.doors.applied(), NEW)
    desk.mailbox.fetch()
    assert greetings(desk)[NEW] == {("通関　花子　様", "通関　花子")}


def test_looking_at_a_change_confirms_nothing(desk: Desk) -> None:
    desk.changes.of_user(desk.hanako, NEW)
    (token,) = desk.tokens(NEW)
    for _ in range(2):
        assert desk.changes.look(token).new_confirmed_at is None
    desk.changes.confirm(token)


def test_another_administrator_is_confirmed_by_the_one_before_and_the_new_one(desk: Desk) -> None:
    desk.changes.of_administrator(desk.hanako, KYOKO)
    old, new = desk.tokens("hanako@example.jp", "kyoko@example.jp")
    desk.changes.confirm(new)
    assert desk.administrator() != KYOKO
    desk.changes.confirm(old)
    assert desk.administrator() == KYOKO


def test_other_data_of_the_same_administrator_needs_one_confirmation(desk: Desk) -> None:
    present = desk.administrator()
    wanted = replace(present, phone="0311112222")
    desk.changes.of_administrator(desk.hanako, wanted)
    assert len(desk.mailbox.fetch()) == 1
    desk.changes.confirm(desk.tokens(present.mail)[0])
    assert desk.administrator() == wanted


def test_an_applicants_mail_changes_in_its_application_only(desk: Desk) -> None:
    number, other = desk.doors.applied(), desk.doors.applied()
    desk.changes.of_applicant(desk.hanako, number, NEW)
    for token in desk.tokens(APPLICANT.mail, NEW):
        desk.changes.confirm(token)
    with desk.doors.database.snapshot() as session:
        found = [applications.find(session, one) for one in (number, other)]
    assert [one.applicant.mail for one in found if one] == [NEW, APPLICANT.mail]


def test_nobody_changes_what_is_another_offices(desk: Desk) -> None:
    number = desk.doors.applied()
    stranger = replace(desk.hanako, office_code="NAC002", login="saburo")
    with pytest.raises(Refused, match="application-unknown"):
        desk.changes.of_applicant(stranger, number, NEW)
    change = desk.changes.of_user(desk.hanako, NEW)
    with pytest.raises(Refused, match="change-unknown"):
        desk.changes.decline(change.id, stranger.actor, office_code="NAC002")


def test_the_same_address_is_no_change(desk: Desk) -> None:
    with pytest.raises(Refused, match="address-same"):
        desk.changes.of_user(desk.hanako, "HANAKO@example.jp")
    with pytest.raises(Refused, match="address-same"):
        desk.changes.of_administrator(desk.hanako, desk.administrator())


def test_staff_confirm_for_an_address_that_is_nobodys_any_more(desk: Desk) -> None:
    change = desk.changes.of_user(desk.hanako, NEW)
    for reason, code in (("  ", "reason-required"), ("長" * 201, "reason-too-long")):
        with pytest.raises(Refused, match=code):
            desk.changes.confirm_as_staff(change.id, reason, STAFF)
    tokens = desk.tokens("hanako@example.jp", NEW)
    done = desk.changes.confirm_as_staff(change.id, "登録の番号に電話した", STAFF)
    assert (done.confirmed_by, done.reason, desk.mail()) == ("staff:ito", "登録の番号に電話した", NEW)
    assert {refusal(desk, token) for token in tokens} == {"link-invalid"}
    with pytest.raises(Refused, match="change-over"):
        desk.changes.confirm_as_staff(change.id, "again", STAFF)


def test_a_newer_wish_ends_the_one_before(desk: Desk) -> None:
    desk.changes.of_user(desk.hanako, "first@example.jp")
    (first,) = desk.tokens("first@example.jp")
    desk.changes.of_user(desk.hanako, NEW)
    assert refusal(desk, first) == "link-invalid"
    with desk.doors.database.snapshot() as session:
        waiting = open_changes(session, desk.doors.clock.now(), office_code="NAC001")
    assert [change.new_mail for change in waiting] == [NEW]


def test_a_change_that_was_taken_back_or_is_over_changes_nothing(desk: Desk) -> None:
    change = desk.changes.of_user(desk.hanako, NEW)
    tokens = desk.tokens("hanako@example.jp", NEW)
    desk.changes.decline(change.id, desk.hanako.actor, office_code="NAC001")
    assert {refusal(desk, token) for token in tokens} == {"link-invalid"}
    change = desk.changes.of_user(desk.hanako, NEW)
    tokens = desk.tokens("hanako@example.jp", NEW)
    desk.doors.clock.advance(timedelta(days=7))
    assert {refusal(desk, token) for token in tokens} == {"link-invalid"}
    with pytest.raises(Refused, match="change-over"):
        desk.changes.confirm_as_staff(change.id, "late", STAFF)
    assert desk.mail() == "hanako@example.jp"
