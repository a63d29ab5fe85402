"""Reissues at the portal: asked for by terminal with a reason, confirmed, followed, taken back; and the banner of renewals."""

import re
from datetime import date, timedelta

import pytest

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import reissue_records
from enrollment.credentials import of_terminals
from enrollment.ending import Endings
from enrollment.reissue import ReissuePreparation, Reissues
from enrollment.reissue_letters import REASONS
from enrollment.reissue_records import ReissueReason, ReissueState, ReissueView
from kernel import audit, outbox
from kernel.clock import day_end, day_start, tokyo_date
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import HANAKO, KATO, LETTERS, SATO, TERMINAL, Doors
from tests.webui.visitors import Visitor
from webui.accounts import UserLetters, Users
from webui.portal.parts import RenewalTerms

# What PostgreSQL does is watched in the use cases' own tests and in tests/journeys/test_pc_swap.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATH = f"/terminals/{TERMINAL}/reissue"
HANAKO_MAIL = "hanako@example.jp"  # the administrator's, too
PC, LOST = ReissueReason.PC_REPLACED, ReissueReason.LOST


@pytest.fixture
def issued(issuing_doors: Doors, house: House) -> str:
    """Return a terminal with a certificate."""
    _, (name, _) = issuing_doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    return name


@pytest.fixture
def last_day(issuing_doors: Doors, issued: str) -> date:
    """Return the last day of that certificate."""
    with issuing_doors.database.snapshot() as session:
        return tokyo_date(of_terminals(session, [issued])[issued].not_after)


def asked(doors: Doors, reason: ReissueReason = PC, terminal: str = TERMINAL) -> ReissueView:
    return Reissues(doors.database, doors.clock).request(terminal, reason, HANAKO.actor, office_code="NAC001")


def accepted(doors: Doors, reason: ReissueReason = PC, terminal: str = TERMINAL) -> ReissueView:
    return Reissues(doors.database, doors.clock).accept(asked(doors, reason, terminal).id, SATO)


def reissues_of(doors: Doors, terminal: str = TERMINAL) -> list[ReissueView]:
    with doors.database.snapshot() as session:
        return list(reissue_records.of_terminal(session, terminal))


def on(doors: Doors, day: date) -> Visitor:
    """Go to a day and log in."""
    doors.clock.instant = day_start(day) + timedelta(hours=10)
    return doors.customer()


def test_the_way_from_the_menu_to_the_request(doors: Doors) -> None:
    visitor = doors.customer()
    assert '<a href="/contract/netnaccs">クライアント証明書の再発行</a>' in visitor.get("/").text
    assert f'<a href="{PATH}">再発行を申し込む' in visitor.get("/contract/netnaccs").text
    page = visitor.get(PATH).text
    assert all(japanese in page for japanese, _ in REASONS.values())
    assert visitor.get(f"{PATH}/confirm").location == PATH
    asked = visitor.post(PATH, {"reason": "pc-replaced", "remark": "<b>新しいパソコン</b>"})
    assert (asked.status_code, asked.location) == (303, f"{PATH}/confirm")
    assert visitor.get("/terminals/99999A/reissue/confirm").status_code == 404
    confirmation = visitor.get(asked.location).text
    assert "まだ申し込まれていません。" in confirmation
    assert "&lt;b&gt;新しいパソコン" in confirmation
    assert reissues_of(doors) == []
    back = visitor.get(PATH).text
    assert 'value="pc-replaced" checked' in back
    assert ">\n&lt;b&gt;新しいパソコン&lt;/b&gt;</textarea>" in back
    done = visitor.post(PATH, {"reason": "pc-replaced", "remark": "新しいパソコン", "step": "do"})
    [reissue] = reissues_of(doors)
    assert (done.status_code, done.location) == (303, f"/reissues/{reissue.id}")
    assert (reissue.requester, reissue.remark, reissue.state) == (str(HANAKO.actor), "新しいパソコン", ReissueState.REQUESTED)
    page = visitor.get(done.location).text
    assert "再発行の申込を受け付けました。" in page
    assert "センターが内容を確認しています。" in page
    newest = re.findall(r'<form class="more" method="post" action="([^"]+)"', visitor.get("/").text)[0]
    read = visitor.post(newest).location
    assert read == f"/reissues/{reissue.id}" or visitor.get(read).location == f"/reissues/{reissue.id}"
    line = visitor.get("/contract/netnaccs").text
    assert f'<a href="/reissues/{reissue.id}">センター確認中' in line
    assert f'href="{PATH}"' not in line


def confirmation(visitor: Visitor, path: str, reason: str) -> str:
    """Choose a reason and go on to the confirmation."""
    return visitor.get(visitor.post(path, {"reason": reason}).location).text


def test_the_consequences_are_told_in_plain_words(issuing_doors: Doors, issued: str) -> None:
    visitor, path = issuing_doors.customer(), f"/terminals/{issued}/reissue"
    page = visitor.get(path).text
    assert "今の証明書は、新しい証明書を取得するまで使えます。" in page
    assert "2か月以内に取得しないと、今の証明書は失効し、端末は停止します。" in page
    assert page.count("(今の証明書はすぐに失効します)") == 3
    gentle = confirmation(visitor, path, "os-replaced")
    assert "新しい証明書を取得するまで使えます。" in gentle
    assert "センターが承認すると同時に" not in gentle
    hard = confirmation(visitor, path, "stolen")
    assert "新しい証明書を取得するまで使えます。" not in hard
    assert "センターが承認すると同時に今の証明書が失効" in hard


@pytest.mark.parametrize("form", [{}, {"reason": "nonsense"}, {"reason": "pc-replaced", "remark": "x" * 501}])
@pytest.mark.parametrize("step", ["", "do"])
def test_what_is_wrong_stands_beside_its_field(doors: Doors, form: dict[str, str], step: str) -> None:
    visitor = doors.customer()
    visitor.get(PATH)
    answer = visitor.post(PATH, {**form, "step": step})
    assert answer.status_code == 422
    assert "入力内容に1件の誤りがあります" in answer.text
    assert reissues_of(doors) == []


def test_whoever_asked_is_mailed_what_becomes_of_it(doors: Doors) -> None:
    reissues, jiro = Reissues(doors.database, doors.clock, letters=LETTERS), doors.person("jiro", "NAC001")
    slips = [reissues.request(TERMINAL, PC, jiro.actor)]
    reissues.withdraw(slips[0].id, jiro.actor)
    slips.append(reissues.request(TERMINAL, PC, jiro.actor))
    reissues.decline(slips[1].id, "同じパソコンのため。", SATO)
    slips.append(reissues.request(TERMINAL, PC, jiro.actor))
    ready_on = reissues.accept(slips[2].id, SATO).ready_on
    assert ready_on
    doors.clock.instant = day_start(ready_on)
    ReissuePreparation(doors.preparation).prepare(slips[2].id, KATO)
    with doors.database.snapshot() as session:
        mails = outbox.search(session, outbox.Wanted(office_code="NAC001", mentioning=TERMINAL), most=100)
    to = {address: sorted(mail.subject for mail in mails if mail.recipient == address) for address in (jiro.mail, HANAKO_MAIL)}
    assert len(to[jiro.mail]) == 7
    assert to[jiro.mail] == to[HANAKO_MAIL]
    own = next(mail.body for mail in mails if mail.recipient == jiro.mail)
    assert "\n通関 花子　様\n" in own
    assert "To: 通関 花子, NAC001" in own


def test_who_may_not_log_in_any_more_is_mailed_nothing(doors: Doors) -> None:
    jiro = doors.person("jiro", "NAC001")
    slip = Reissues(doors.database, doors.clock, letters=LETTERS).request(TERMINAL, PC, jiro.actor)
    Users(doors.database, doors.clock, UserLetters(LETTERS)).disable("NAC001", "jiro", doors.person("hanako", "NAC001"))
    Reissues(doors.database, doors.clock, letters=LETTERS).accept(slip.id, SATO)
    with doors.database.snapshot() as session:
        mails = outbox.search(session, outbox.Wanted(recipient=jiro.mail), most=100)
    assert [mail.subject for mail in mails if TERMINAL in mail.subject] == [f"【NSS】再発行申込受付のお知らせ({TERMINAL})"]


def test_while_a_lost_certificate_is_good_the_office_is_led_to_its_revocation(issuing_doors: Doors, issued: str) -> None:
    doors, own = issuing_doors, f"/terminals/{issued}/revocation"
    reissue, visitor = asked(doors, LOST, issued), doors.customer()
    path = f"/reissues/{reissue.id}"
    page = visitor.get(path).text
    assert "今の証明書は、まだ使えます" in page
    assert f'<a class="button danger" href="{own}">今すぐ失効させる</a>' in page
    assert own not in doors.customer("jiro", address="192.0.2.9").get(path).text
    assert visitor.get(own).status_code == 200
    Endings(doors.database, doors.clock).revoke(issued, Reason.KEY_COMPROMISE, HANAKO.actor)
    assert "まだ使えます" not in visitor.get(path).text
    # What a request says that hurries nobody.
    Reissues(doors.database, doors.clock).withdraw(reissue.id, HANAKO.actor)
    assert own not in visitor.get(f"/reissues/{asked(doors, PC, issued).id}").text


def test_with_a_revoked_certificate_nobody_is_told_that_the_old_pc_logs_on(issuing_doors: Doors, issued: str) -> None:
    doors = issuing_doors
    Endings(doors.database, doors.clock).revoke(issued, Reason.CESSATION_OF_OPERATION, HANAKO.actor)
    visitor, path = doors.customer(), f"/terminals/{issued}/reissue"
    for page in (visitor.get(path).text, confirmation(visitor, path, "pc-replaced")):
        assert "新しい証明書を取得するまで使えます" not in page
        assert "今ログオンできる証明書はありません。" in page
    reissue = accepted(doors, PC, issued)
    assert reissue.ready_on
    doors.clock.instant = day_start(reissue.ready_on) + timedelta(hours=10)
    ReissuePreparation(doors.preparation).prepare(reissue.id, KATO)
    page = doors.customer().get(f"/reissues/{reissue.id}").text
    assert "これまでのパソコンでログオンできます" not in page
    assert "取得すると、新しい端末アクセスキーでログオンできます。" in page


def test_pressed_twice_it_is_one_request(doors: Doors) -> None:
    visitor = doors.customer()
    visitor.get(PATH)
    form = {"reason": "pc-replaced", "step": "do"}
    assert [visitor.post(PATH, form).status_code for _ in range(2)] == [303, 422]
    assert len(reissues_of(doors)) == 1


def test_while_one_is_under_way_only_worse_news_are_taken(doors: Doors) -> None:
    reissue, visitor = asked(doors), doors.customer()
    assert "紛失・盗難・鍵の漏えいを届け出る" in visitor.get(f"/reissues/{reissue.id}").text
    page = visitor.get(PATH).text
    assert re.findall(r'name="reason" value="([\w-]+)"', page) == ["lost", "stolen", "compromised"]
    assert "手続き中の再発行は終了します。" in page
    assert visitor.post(PATH, {"reason": "lost", "step": "do"}).status_code == 303
    assert {one.state for one in reissues_of(doors)} == {ReissueState.LAPSED, ReissueState.REQUESTED}


def test_each_state_says_what_comes_next(issuing_doors: Doors, house: House, issued: str) -> None:
    doors, reissue = issuing_doors, accepted(issuing_doors, terminal=issued)
    path = f"/reissues/{reissue.id}"
    assert "2026/11/25以降に取得できるようになります。" in doors.customer().get(path).text
    page = on(doors, date(2026, 11, 25)).get(path).text
    assert "再発行を取り下げる" in page
    made = ReissuePreparation(doors.preparation).prepare(reissue.id, KATO)
    assert made.ends_on is not None
    page = doors.customer().get(path).text
    assert f"新しく使うパソコンで、{made.ends_on:%Y/%m/%d}までに証明書を取得します。" in page
    assert 'href="/id-notice"' in page
    assert "再発行を取り下げる" not in page
    house.redemption.redeem(house.codes_of(issued), new_request().pem, SOURCE)
    assert "新しい証明書が取得されました。前の証明書は失効しています。" in doors.customer().get(path).text


def test_a_refusal_shows_its_reason(doors: Doors) -> None:
    reissue = asked(doors)
    Reissues(doors.database, doors.clock).decline(reissue.id, "同じパソコンのため、<b>更新</b>してください。", SATO)
    page = doors.customer().get(f"/reissues/{reissue.id}").text
    assert "同じパソコンのため、&lt;b&gt;更新" in page
    assert f'href="{PATH}"' in page
    assert f'<a href="{PATH}">再発行を申し込む' in doors.customer().get("/contract/netnaccs").text


def test_a_request_is_taken_back(doors: Doors) -> None:
    for make in (asked, accepted):
        reissue, visitor = make(doors), doors.customer()
        path = f"/reissues/{reissue.id}/withdrawal"
        assert "今の証明書とコードは、そのまま使えます。" in visitor.get(path).text
        assert [one.is_open for one in reissues_of(doors) if one.id == reissue.id] == [True]
        done = visitor.post(path)
        assert "再発行を取り下げました。" in visitor.get(done.location).text
        again = visitor.post(path)
        assert "再発行の状態が変わったため" in visitor.get(again.location).text
        assert visitor.get(path).status_code == 303
        assert [one.state for one in reissues_of(doors) if one.id == reissue.id] == [ReissueState.WITHDRAWN]


def test_what_a_lost_key_ended_stays_ended(issuing_doors: Doors, issued: str) -> None:
    reissue, visitor = accepted(issuing_doors, LOST, issued), issuing_doors.customer()
    assert "承認したときに失効した証明書は、失効したままです。" in visitor.get(f"/reissues/{reissue.id}/withdrawal").text


def test_a_stopped_terminal_is_not_offered_one(doors: Doors) -> None:
    Endings(doors.database, doors.clock).suspend(TERMINAL, SATO)
    visitor = doors.customer()
    assert PATH not in visitor.get("/contract/netnaccs").text
    assert "この端末は停止中です。" in visitor.get(visitor.get(PATH).location).text
    refused = visitor.post(PATH, {"reason": "pc-replaced", "step": "do"})
    assert refused.status_code == 422
    assert "この端末は停止中です。" in refused.text


def test_another_office_finds_nothing_of_it(doors: Doors) -> None:
    reissue, stranger = asked(doors), doors.customer("saburo", office_code="NAC002")
    for path in (PATH, f"/reissues/{reissue.id}", f"/reissues/{reissue.id}/withdrawal"):
        assert stranger.get(path).status_code == 404, path
    stranger.get("/")
    assert stranger.post(PATH, {"reason": "lost", "step": "do"}).status_code == 404
    assert stranger.post(f"/reissues/{reissue.id}/withdrawal").status_code == 404
    assert [one.state for one in reissues_of(doors)] == [ReissueState.REQUESTED]


def test_without_the_right_one_reads_and_asks_for_nothing(doors: Doors) -> None:
    reissue, jiro = asked(doors), doors.customer("jiro")
    page = jiro.get(f"/reissues/{reissue.id}").text
    assert "センター確認中" in page
    assert "withdrawal" not in page
    assert f'href="{PATH}"' not in page
    assert f"/reissues/{reissue.id}" in jiro.get("/contract/netnaccs").text
    assert "再発行" not in re.sub(r"<head>.*?</head>|<h2 id=\"news\">.*?</section>", "", jiro.get("/").text, flags=re.DOTALL)
    for path in (PATH, f"/reissues/{reissue.id}/withdrawal"):
        assert (jiro.get(path).status_code, jiro.post(path).status_code) == (403, 403)


def test_who_asked_is_told_without_names_of_staff(doors: Doors) -> None:
    Reissues(doors.database, doors.clock).request(TERMINAL, PC, audit.staff("sato"))
    [reissue] = reissues_of(doors)
    page = doors.customer().get(f"/reissues/{reissue.id}").text
    assert "<dd>センター</dd>" in page
    assert "sato" not in page


def test_the_banner_counts_the_days_of_the_window(issuing_doors: Doors, issued: str, last_day: date) -> None:
    doors = issuing_doors
    told = f"{issued}({last_day:%Y/%m/%d}まで)"
    assert told not in on(doors, last_day - timedelta(days=29)).get("/").text
    for day in (last_day - timedelta(days=28), last_day):
        visitor = on(doors, day)
        for path in ("/", "/contract/netnaccs"):
            page = visitor.get(path).text
            assert "証明書の更新が必要な端末が1台あります" in page
            assert told in page
    page = on(doors, last_day + timedelta(days=1)).get("/").text
    assert "証明書の有効期限が切れた端末が1台あります" in page
    assert "再発行を申し込んでください。" in page
    assert "更新が必要な端末" not in page
    stranger = doors.customer("saburo", office_code="NAC002")
    assert issued not in stranger.get("/").text


def test_the_banner_leaves_out_who_needs_not_renew(issuing_doors: Doors, issued: str, last_day: date) -> None:
    doors = issuing_doors
    on(doors, last_day)
    reissue = accepted(doors, terminal=issued)
    assert "証明書の更新が必要な端末" not in doors.customer().get("/").text
    Reissues(doors.database, doors.clock).withdraw(reissue.id, HANAKO.actor)
    stolen = asked(doors, ReissueReason.STOLEN, issued)
    assert "証明書の更新が必要な端末" not in doors.customer().get("/").text
    Reissues(doors.database, doors.clock).withdraw(stolen.id, HANAKO.actor)
    assert "証明書の更新が必要な端末" in doors.customer().get("/").text
    Endings(doors.database, doors.clock).suspend(issued, SATO)
    assert "証明書の更新が必要な端末" not in doors.customer().get("/").text


def test_the_banner_names_few_of_many(issuing_doors: Doors, house: House) -> None:
    doors = issuing_doors
    _, names = doors.prepared(7)
    for name in names:
        not_after = house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE).certificate.not_after
    page = on(doors, tokyo_date(not_after)).get("/").text
    assert "証明書の更新が必要な端末が7台あります" in page
    assert "ほか2台" in page
    assert [name for name in names if name in page.split("新着情報</h2>")[0]] == list(names[:5])


def test_at_the_end_of_a_generation_nobody_is_told_to_renew(issuing_doors: Doors, issued: str, last_day: date) -> None:
    doors = issuing_doors
    parts = doors.portal.extensions["webui-portal"]
    object.__setattr__(parts, "renewal_terms", RenewalTerms(fixed_end=last_day))
    page = on(doors, last_day).get("/").text
    assert issued in page
    assert "システムの世代の終わりで、証明書が終わる端末が1台あります" in page
    assert "更新が必要な端末" not in page


def test_the_pages_are_told_in_english(issuing_doors: Doors, issued: str, last_day: date) -> None:
    doors = issuing_doors
    visitor = on(doors, last_day)
    visitor.get("/")
    visitor.post("/language", {"language": "en"})
    reissue = asked(doors, terminal=issued)
    doors.clock.instant = day_end(last_day)
    typed = {"日本語", "ナックス商事株式会社", "東京営業所", "通関 花子"}
    path = f"/terminals/{issued}/reissue"
    pages = [visitor.get(one).text for one in ("/", path, f"/reissues/{reissue.id}", f"/reissues/{reissue.id}/withdrawal")]
    pages.append(visitor.post(path, {"reason": "lost"}).text)
    told = "".join(pages)
    for text in typed:
        told = told.replace(text, "")
    assert re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]+", told) == []
    with doors.database.snapshot() as session:
        assert of_terminals(session, [issued])[issued].state is CertificateState.VALID
