"""お知らせメール: what was mailed to the office, for those whom it concerns."""

from dataclasses import replace

import pytest

from kernel import outbox
from kernel.outbox import DeliveryFailed, Letter
from registry.letters import Letters
from tests.webui.conftest import APPLICANT, Doors
from webui.accounts import Forgotten, PasswordLinks, UserLetters
from webui.accounts.addresses import AddressChanges
from webui.factors import AccountLetters
from webui.factors.letters import Event

# What the pages say does not depend on what lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADMINISTRATOR = "taro"


def _post(doors: Doors, recipient: str, subject: str, body: str = "本文", office_code: str = "NAC001") -> int:
    with doors.database.transaction() as session:
        outbox.post(
            session, now=doors.clock.now(), recipient=recipient, subject=subject, body=body, office_code=office_code
        )  # fmt: skip
    with doors.database.snapshot() as session:
        return outbox.search(session, outbox.Wanted(), most=1)[0].id


def _post_personal(doors: Doors, recipient: str, subject: str) -> int:
    with doors.database.transaction() as session:
        message = outbox.Message(subject, "本文")
        outbox.post_message(
            session, message, now=doors.clock.now(), recipient=recipient, office_code="NAC001", is_personal=True
        )  # fmt: skip
    with doors.database.snapshot() as session:
        return outbox.search(session, outbox.Wanted(), most=1)[0].id


def test_everybody_of_the_office_sees_its_mails_and_the_personal_ones_that_are_theirs(issuing_doors: Doors) -> None:
    doors = issuing_doors
    hanako, jiro = doors.person("hanako", "NAC001"), doors.person("jiro", "NAC001")
    assert (hanako.is_administrator, jiro.is_administrator) == (True, False)
    offices = _post(doors, hanako.mail, "事業所あて")
    own = _post_personal(doors, jiro.mail.upper(), "次郎のログイン")
    others = _post_personal(doors, hanako.mail, "花子のログイン")
    foreign = _post(doors, hanako.mail, "ほかの事業所", office_code="NAC002")
    for user, seen, unseen in (("hanako", {offices, own, others}, {foreign}), ("jiro", {offices, own}, {others, foreign})):
        visitor = doors.customer(user)
        assert ("花子のログイン" in visitor.get("/mails/?q=花子の").text) == (user == "hanako")
        page = visitor.get("/mails/").text
        for mail_id in seen:
            assert f'href="/mails/{mail_id}"' in page
            assert visitor.get(f"/mails/{mail_id}").status_code == 200
        for mail_id in unseen:
            assert f'href="/mails/{mail_id}"' not in page
            assert visitor.get(f"/mails/{mail_id}").status_code == 404
    assert doors.customer().get(f"/mails/{2**70}").status_code == 404


def test_what_is_about_an_accounts_own_log_in_is_personal_and_whom_the_office_is_reached_by_is_not(issuing_doors: Doors) -> None:
    doors = issuing_doors
    letters, now = UserLetters(Letters("https://portal.example.jp")), doors.clock.now()
    hanako = doors.person("hanako", "NAC001")
    with doors.database.transaction() as session:
        letters.invited(session, hanako, "LINK", now, office="")
        letters.forgotten(session, hanako, "LINK", now)
        letters.chosen(session, hanako, now)
        letters.changed(session, hanako, now)
        AccountLetters().post(session, hanako, Event.NEW_DEVICE, now, "192.0.2.1")
        before = outbox.search(session, outbox.Wanted(), most=1)[0].id
    changes = AddressChanges(doors.database, doors.clock, letters)
    changes.of_user(hanako, "new@example.jp")
    changes.of_administrator(hanako, replace(APPLICANT, mail="newer@example.jp"))
    with doors.database.snapshot() as session:
        mails = outbox.search(session, outbox.Wanted(office_code="NAC001"))
    assert {mail.is_personal for mail in mails if mail.id <= before} == {True}
    told = {mail.recipient: mail.is_personal for mail in mails if mail.id > before}
    assert (told["new@example.jp"], told["newer@example.jp"]) == (True, False)


def test_mails_are_found_by_what_they_say_and_by_state_page_by_page(issuing_doors: Doors) -> None:
    doors, hanako = issuing_doors, issuing_doors.customer()
    for number in range(31):
        _post(doors, "hanako@example.jp", f"件名{number}", f"受付番号：26{number:04}A")
    assert "31通" in hanako.get("/mails/").text
    assert "件名0<" in hanako.get("/mails/?page=2").text
    assert hanako.get("/mails/?page=99").text.count("件名0<") == 1
    found = hanako.get("/mails/?q=260007A").text
    assert "件名7<" in found
    assert "1通" in found
    assert "条件に合うメールはありません" in hanako.get("/mails/?q=%25").text
    assert "条件に合うメールはありません" in hanako.get("/mails/?state=failed").text
    assert hanako.get("/mails/?state=nonsense&page=x").status_code == 200


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (DeliveryFailed("550 no such mailbox", permanent=True), "このメールは届けられませんでした"),
        (DeliveryFailed("451 try later"), "このメールはまだ送信できていません"),
    ],
)
def test_what_could_not_be_delivered_says_what_to_do(issuing_doors: Doors, failure: DeliveryFailed, told: str) -> None:
    doors = issuing_doors
    mail_id = _post(doors, "hanako@example.jp", "届かない")

    def refuse(letter: Letter) -> None:
        del letter
        raise failure

    outbox.deliver(doors.database, refuse, now=doors.clock.now())
    page = doors.customer().get(f"/mails/{mail_id}").text
    assert told in page
    # What the server said is the center's to read.
    assert str(failure) not in page


def test_a_one_time_link_is_never_shown(issuing_doors: Doors) -> None:
    doors = issuing_doors
    jiro = doors.person("jiro", "NAC001")
    links = PasswordLinks(doors.database, doors.clock, UserLetters(Letters("https://portal.example.jp")))
    links.ask(Forgotten("NAC001", "jiro", jiro.mail, "192.0.2.1"))
    links.answer_due(doors.clock.now())
    with doors.database.snapshot() as session:
        [mail] = outbox.search(session, outbox.Wanted(recipient=jiro.mail))
    assert "[[link:" in mail.body
    for user in ("jiro", "hanako"):
        page = doors.customer(user).get(f"/mails/{mail.id}").text
        assert "[[link:" not in page
        assert "ここには表示されません" in page


def test_each_part_of_a_mail_says_in_which_language_it_is(issuing_doors: Doors) -> None:
    body = UserLetters(Letters("https://portal.example.jp")).framed("通関　花子", "受け付けました。", "Received.")
    page = issuing_doors.customer().get(f"/mails/{_post(issuing_doors, 'hanako@example.jp', '受付', body)}").text
    japanese, english = (
        page.partition(f'<p class="lines" lang="{language}">')[2].partition("</p>")[0] for language in ("ja", "en")
    )
    assert "受け付けました。" in japanese
    assert "Received." not in japanese
    assert english.startswith("To: 通関　花子")
    assert "Received." in english


def test_the_pages_are_english_for_those_who_want_that(issuing_doors: Doors) -> None:
    hanako = issuing_doors.customer()
    hanako.get("/")
    hanako.post("/language", {"language": "en"})
    page = hanako.get("/mails/").text
    assert "Mails from the center" in page
    assert "No mails match." in page


def test_what_came_back_later_and_what_is_late_say_so(issuing_doors: Doors) -> None:
    doors = issuing_doors
    mail_id = _post(doors, "hanako@example.jp", "戻った")
    left: list[Letter] = []
    outbox.deliver(doors.database, left.append, now=doors.clock.now())
    with doors.database.transaction() as session:
        outbox.note_delay(session, left[-1].return_token, "4.4.1 timed out", now=doors.clock.now())
    page = doors.customer().get(f"/mails/{mail_id}").text
    assert "遅延の通知あり" in page
    # Nobody is told that it is late now: a mail that arrived after all is reported by few servers.
    assert "2026/11/24 10:00の時点ではまだ届けられていない" in page
    with doors.database.transaction() as session:
        outbox.bounce(session, left[-1].return_token, "5.1.1 no such user", now=doors.clock.now())
    page = doors.customer().get(f"/mails/{mail_id}").text
    assert "このメールは届けられませんでした" in page
    assert "届けられなかったという通知がメールサーバーからありました" in page
    assert "送信を試みましたが" not in page
    assert "5.1.1" not in page
    assert "戻った" in doors.customer().get("/mails/?state=failed").text
    assert "メールを届けられないアドレスがあります" in doors.customer().get("/").text


def test_what_arrives_after_all_is_late_no_more(issuing_doors: Doors) -> None:
    doors, now = issuing_doors, issuing_doors.clock.now()
    mail_id = _post(doors, "hanako@example.jp", "遅れて届いた")
    left: list[Letter] = []
    outbox.deliver(doors.database, left.append, now=now)
    with doors.database.transaction() as session:
        outbox.note_delay(session, left[-1].return_token, "4.4.1 timed out", now=now)
    with doors.database.transaction() as session:
        outbox.note_passage(session, left[-1].return_token, now=now)
    page = doors.customer().get(f"/mails/{mail_id}").text
    assert "遅延" not in page
    assert "送信済み" in page
