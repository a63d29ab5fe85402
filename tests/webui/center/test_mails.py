"""Mails: what could not be delivered is seen."""

from datetime import timedelta

import pytest

from kernel.outbox import DeliveryFailed, Letter, bounce, deliver, note_delay
from tests.webui.center.conftest import file_application
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor


def refuse(letter: Letter) -> None:
    raise DeliveryFailed(f"550 <{letter.recipient}> & unknown", permanent=True)


def postpone(letter: Letter) -> None:
    raise DeliveryFailed(f"451 {letter.recipient}: later")


def test_mails_are_found_by_office_receipt_number_and_state(doors: Doors, sato: Visitor) -> None:
    number, other = file_application(doors), file_application(doors)
    page = sato.get("/mails/").text
    assert page.count("【NSS】利用申込受付のお知らせ") == 2
    assert page.count("送信待ち</span>") == 2
    assert sato.get(f"/mails/?number={number.lower()}").text.count("【NSS】利用申込受付のお知らせ") == 1
    assert sato.get("/mails/?office=nac001&state=waiting").text.count("【NSS】利用申込受付のお知らせ") == 2
    for query in ("office=NAC002", "state=failed", "state=sent", "number=999999Z"):
        assert "条件に合うメールはありません。" in sato.get(f"/mails/?{query}").text
    assert other in sato.get("/mails/2").text


@pytest.mark.parametrize(
    ("transport", "state"),
    [(lambda _: None, "送信済み"), (postpone, "再送待ち"), (refuse, "送信できず")],
)
def test_what_became_of_a_mail_is_told(doors: Doors, sato: Visitor, transport: object, state: str) -> None:
    file_application(doors)
    assert callable(transport)
    deliver(doors.database, transport, now=doors.clock.now())
    assert f"{state}</span>" in sato.get("/mails/").text
    assert f"{state}</span>" in sato.get("/mails/1").text


def test_failures_are_seen_on_the_menu_the_office_and_the_application(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    for path in ("/offices/NAC001", f"/applications/{number}"):
        assert "送信できなかったメールがあります。" not in sato.get(path).text
    deliver(doors.database, refuse, now=doors.clock.now())
    for path in ("/offices/NAC001", f"/applications/{number}"):
        assert "送信できなかったメールがあります。" in sato.get(path).text
    assert '<p class="big bad">1件</p>' in sato.get("/").text
    page = sato.get("/mails/?state=failed").text
    assert "550 &lt;hanako@example.jp&gt; &amp; unknown" in page


def test_what_came_back_later_is_told_with_the_servers_words(doors: Doors, sato: Visitor) -> None:
    file_application(doors)
    left: list[Letter] = []
    deliver(doors.database, left.append, now=doors.clock.now())
    with doors.database.transaction() as session:
        note_delay(session, left[0].return_token, "4.4.1 timed out", now=doors.clock.now())
    assert "遅延の通知あり</span>" in sato.get("/mails/1").text
    with doors.database.transaction() as session:
        bounce(session, left[0].return_token, "5.1.1 <b>unknown</b>", now=doors.clock.now())
    page = sato.get("/mails/1").text
    assert "送信できず</span>" in page
    assert "届かずに戻った日時" in page
    assert "5.1.1 &lt;b&gt;unknown&lt;/b&gt;" in page
    assert "もう一度送る" in page
    assert "送信できなかったメールがあります。" in sato.get("/offices/NAC001").text


def test_mails_are_paged(doors: Doors, sato: Visitor) -> None:
    for _ in range(51):
        file_application(doors)
    doors.clock.advance(timedelta(minutes=1))
    assert "全51件 1 / 2ページ" in sato.get("/mails/").text
    assert 'rel="prev"' in sato.get("/mails/?page=2").text
    assert 'rel="prev"' in sato.get("/mails/?page=999999").text


def test_a_word_is_looked_for_in_the_newest_mails_and_in_all_where_that_is_asked_for(doors: Doors, sato: Visitor) -> None:
    number = file_application(doors)
    page = sato.get("/mails/?number=example&state=waiting").text
    assert "hanako@example.jp" in page
    assert "「example」は受付番号でも論理端末名でもないため、最新の2,000通だけを探しました。" in page
    assert 'href="/mails/?all=1&amp;office=&amp;number=example&amp;state=waiting"' in page
    for query in ("number=example&all=1", f"number={number}", "number=example&office=NAC001", ""):
        assert "だけを探しました" not in sato.get(f"/mails/?{query}").text


def test_a_mail_that_is_not_there_is_not_found(sato: Visitor) -> None:
    for address in ("/mails/1", f"/mails/{2**63}", f"/mails/{2**70}", "/mails/x"):
        assert sato.get(address).status_code == 404
