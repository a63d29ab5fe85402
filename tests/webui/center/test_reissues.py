"""Reissues at the center: found, decided, prepared by somebody else, and asked for in an office's place."""

from datetime import timedelta

import pytest

from ca.certificates import CertificateState
from enrollment import reissue_records
from enrollment.credentials import of_terminals
from enrollment.ending import Endings
from enrollment.reissue import Reissues
from enrollment.reissue_records import ReissueReason, ReissueState, ReissueView
from kernel import outbox
from kernel.clock import day_start, tokyo_date
from kernel.outbox import MailView, Wanted
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import HANAKO, OPERATOR, SATO, TERMINAL, Doors
from tests.webui.visitors import PASSWORD, Visitor
from webui.accounts import NewAccount, Role

# What PostgreSQL does is watched in the use cases' own tests and in tests/journeys/test_pc_swap.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PC, LOST = ReissueReason.PC_REPLACED, ReissueReason.LOST
MARKUP = "<b>新しいパソコン</b>"


@pytest.fixture
def issued(issuing_doors: Doors, house: House) -> str:
    """Return a terminal with a certificate."""
    _, (name, _) = issuing_doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    return name


def asked(doors: Doors, terminal: str = TERMINAL, reason: ReissueReason = PC, remark: str = "") -> ReissueView:
    return Reissues(doors.database, doors.clock).request(terminal, reason, HANAKO.actor, office_code="NAC001", remark=remark)


def accepted(doors: Doors, terminal: str = TERMINAL, reason: ReissueReason = PC) -> ReissueView:
    """Return a reissue that sato accepted, on the day on which its codes may be made."""
    reissue = Reissues(doors.database, doors.clock).accept(asked(doors, terminal, reason).id, SATO)
    assert reissue.ready_on
    doors.clock.instant = day_start(reissue.ready_on) + timedelta(hours=10)
    return reissue


def now_of(doors: Doors, reissue: ReissueView) -> ReissueView:
    with doors.database.snapshot() as session:
        found = reissue_records.find(session, reissue.id)
    assert found
    return found


def of_terminal(doors: Doors, terminal: str) -> list[ReissueView]:
    with doors.database.snapshot() as session:
        return list(reissue_records.of_terminal(session, terminal))


def certificate_state(doors: Doors, terminal: str) -> CertificateState:
    with doors.database.snapshot() as session:
        return of_terminals(session, [terminal])[terminal].state


def mails(doors: Doors, mentioning: str) -> tuple[MailView, ...]:
    with doors.database.snapshot() as session:
        return outbox.search(session, Wanted(mentioning=mentioning))


def arrived(visitor: Visitor, path: str, form: dict[str, str] | None = None) -> str:
    """Read a deed's page, press its button, and return the page that follows."""
    visitor.get(path)
    done = visitor.post(path, form)
    assert done.status_code == 303
    return visitor.get(done.location).text


def test_a_request_shows_who_asked_why_and_what_acceptance_does(issuing_doors: Doors, issued: str) -> None:
    reissue = asked(issuing_doors, issued, remark=MARKUP)
    page = issuing_doors.staff("sato").get(f"/reissues/{reissue.id}").text
    for words in (
        "お客様 NAC001/hanako",
        "パソコンの入替え",
        "&lt;b&gt;新しいパソコン",
        "センター確認中",
        "シリアル番号",
        "開始前",
        "再発行の申込",
    ):
        assert words in page, words
    assert "承認するとどうなるか" in page
    assert "新しい証明書を取得するまで使えます" in page
    assert "すぐに失効します" not in page
    assert "センターが承認すると同時に今の証明書が失効" not in page
    assert MARKUP not in page


def test_of_a_lost_key_the_page_says_that_acceptance_revokes(issuing_doors: Doors, issued: str) -> None:
    reissue, sato = asked(issuing_doors, issued, LOST), issuing_doors.staff("sato")
    page = sato.get(f"/reissues/{reissue.id}").text
    assert "鍵が漏れたおそれ" in page
    assert "センターが承認すると同時に今の証明書が失効" in page
    assert "新しい証明書を取得するまで使えます" not in page
    assert "失効は元に戻せません。" in sato.get(f"/reissues/{reissue.id}/accept").text
    assert certificate_state(issuing_doors, issued) is CertificateState.VALID
    arrived(sato, f"/reissues/{reissue.id}/accept")
    assert certificate_state(issuing_doors, issued) is CertificateState.REVOKED


def test_accepted_by_one_and_prepared_by_another(issuing_doors: Doors, issued: str) -> None:
    doors, reissue = issuing_doors, asked(issuing_doors, issued)
    sato, kato = doors.staff("sato"), doors.staff("kato")
    assert now_of(doors, reissue).state is ReissueState.REQUESTED
    page = arrived(sato, f"/reissues/{reissue.id}/accept")
    assert f"端末{issued}の再発行を承認しました。コードは2026/11/25以降に準備できます。" in page
    assert f"/reissues/{reissue.id}/codes" not in kato.get(f"/reissues/{reissue.id}").text
    assert "コードは2026/11/25から準備できます。" in kato.get(f"/reissues/{reissue.id}/codes").text
    assert "コードは2026/11/25から準備できます。" in arrived(kato, f"/reissues/{reissue.id}/codes")
    doors.clock.advance(timedelta(days=1))
    sato, kato = doors.staff("sato"), doors.staff("kato")
    assert "コードはほかの職員が準備します" in sato.get(f"/reissues/{reissue.id}").text
    assert f"/reissues/{reissue.id}/codes" in kato.get(f"/reissues/{reissue.id}").text
    assert now_of(doors, reissue).state is ReissueState.ACCEPTED
    assert f"端末{issued}のコードを準備しました。" in arrived(kato, f"/reissues/{reissue.id}/codes")
    assert (now_of(doors, reissue).state, now_of(doors, reissue).preparer) == (ReissueState.PREPARED, "staff:kato")
    again = arrived(kato, f"/reissues/{reissue.id}/codes")
    assert "再発行の状態が変わったため" in again
    assert "再発行の状態が変わったため" in arrived(sato, f"/reissues/{reissue.id}/accept")


def test_who_accepted_does_not_prepare(doors: Doors) -> None:
    roles = frozenset({Role.REVIEW, Role.ISSUING})
    doors.accounts.add(NewAccount("mori", "森", "mori@example.jp", PASSWORD, roles), OPERATOR)
    reissue = asked(doors)
    arrived(doors.staff("mori"), f"/reissues/{reissue.id}/accept")
    doors.clock.advance(timedelta(days=1))
    mori = doors.staff("mori")
    page = mori.get(f"/reissues/{reissue.id}/codes").text
    assert "この再発行を申し込んだ職員と承認した職員は、コードを準備できません。" in page
    assert 'value="do"' not in page
    assert "この再発行を申し込んだ職員と承認した職員は" in arrived(mori, f"/reissues/{reissue.id}/codes")
    assert now_of(doors, reissue).state is ReissueState.ACCEPTED


def test_a_request_is_declined_with_a_reason_that_is_mailed(doors: Doors) -> None:
    reissue, sato = asked(doors), doors.staff("sato")
    path = f"/reissues/{reissue.id}/decline"
    sato.get(path)
    assert sato.post(path, {"answer": " "}).status_code == 422
    assert sato.post(path, {"answer": "x" * 501}).status_code == 422
    shown = sato.arrive(path, {"answer": "同じパソコンです。\n更新してください。"})
    assert (shown.status_code, "不承認にする" in shown.text) == (200, True)
    assert now_of(doors, reissue).state is ReissueState.REQUESTED
    back = sato.post(path, {"answer": "同じパソコンです。", "step": "back"})
    assert ">\n同じパソコンです。</textarea>" in back.text
    page = arrived(sato, path, {"answer": "同じパソコンです。\n更新してください。", "step": "do"})
    assert "不承認にしました。" in page
    assert "お客様に伝えた理由" in page
    assert now_of(doors, reissue).answer == "同じパソコンです。\n更新してください。"
    [mail] = mails(doors, "更新してください。")
    assert "再発行をお受けできない" in mail.subject
    assert "再発行の状態が変わったため" in arrived(sato, path, {"answer": "もう一度", "step": "do"})


def test_a_reissue_is_taken_back_until_its_codes_are_made(doors: Doors) -> None:
    sato = doors.staff("sato")
    for make in (asked, accepted):
        reissue = make(doors)
        sato = doors.staff("sato")
        assert "再発行を取り下げました。" in arrived(sato, f"/reissues/{reissue.id}/withdraw")
        assert now_of(doors, reissue).state is ReissueState.WITHDRAWN
    assert "再発行の状態が変わったため" in arrived(sato, f"/reissues/{reissue.id}/withdraw")
    assert sato.get(f"/reissues/{reissue.id}/withdraw").status_code == 303


def test_staff_ask_in_an_offices_place_which_accepts_it(issuing_doors: Doors, issued: str) -> None:
    doors, sato, path = issuing_doors, issuing_doors.staff("sato"), f"/terminals/{issued}/reissue"
    assert path in sato.get(f"/terminals/{issued}").text
    assert path not in doors.staff("kato").get(f"/terminals/{issued}").text
    sato.get(path)
    assert sato.post(path, {"reason": "nonsense"}).status_code == 422
    assert sato.post(path, {"reason": "pc-replaced", "remark": "x" * 501}).status_code == 422
    shown = sato.arrive(path, {"reason": "pc-replaced", "remark": "お電話で花子様から。"})
    assert "職員の申込は、そのまま承認されます。" in shown.text
    assert of_terminal(doors, issued) == []
    page = arrived(sato, path, {"reason": "pc-replaced", "remark": "お電話で花子様から。", "step": "do"})
    assert "再発行を受け付け、承認しました。" in page
    [reissue] = of_terminal(doors, issued)
    assert (reissue.state, reissue.requester, reissue.accepter) == (ReissueState.ACCEPTED, "staff:sato", "staff:sato")
    assert "パソコンの入替え" in sato.get(f"/terminals/{issued}").text
    assert "すでに手続き中です。" not in sato.get(path).text
    assert "紛失・盗難・鍵の漏えいのときだけ" in sato.get(path).text
    assert sato.post(path, {"reason": "pc-replaced", "step": "do"}).status_code == 422
    arrived(sato, path, {"reason": "stolen", "step": "do"})
    assert [one.state for one in of_terminal(doors, issued)].count(ReissueState.LAPSED) == 1
    assert certificate_state(doors, issued) is CertificateState.REVOKED


def test_nobody_asks_for_a_terminal_that_is_stopped(doors: Doors) -> None:
    Endings(doors.database, doors.clock).suspend(TERMINAL, SATO)
    sato = doors.staff("sato")
    assert f"/terminals/{TERMINAL}/reissue" not in sato.get(f"/terminals/{TERMINAL}").text
    assert sato.get(f"/terminals/{TERMINAL}/reissue").status_code == 303
    form = {"reason": "pc-replaced", "step": "do"}
    sato.get(f"/terminals/{TERMINAL}")
    refused = sato.post(f"/terminals/{TERMINAL}/reissue", form)
    assert f"端末{TERMINAL}は停止中です。" in sato.get(refused.location).text
    assert sato.get("/terminals/00000A/reissue").status_code == 404


def test_a_suspension_stops_a_reissue_visibly(doors: Doors) -> None:
    reissue = accepted(doors)
    Endings(doors.database, doors.clock).suspend(TERMINAL, SATO)
    kato = doors.staff("kato")
    assert "端末が停止中のため、承認もコードの準備もできません。" in kato.get(f"/reissues/{reissue.id}").text
    assert "停止を解除してから操作してください。" in kato.get(f"/reissues/{reissue.id}/codes").text
    assert "停止を解除してから操作してください。" in arrived(kato, f"/reissues/{reissue.id}/codes")


def test_the_list_is_searched_and_told_by_tabs(doors: Doors) -> None:
    kato, reissue = doors.staff("kato"), asked(doors)
    assert TERMINAL in kato.get("/reissues/").text
    assert "判断を待つ再発行 (1)" in kato.get("/reissues/").text
    for found in (TERMINAL.lower(), "nac001"):
        assert f"/reissues/{reissue.id}" in kato.get(f"/reissues/?q={found}").text
    for none in ("?q=NAC002", "?tab=prepare", "?tab=ended", "?tab=late"):
        assert f"/reissues/{reissue.id}" not in kato.get(f"/reissues/{none}").text
    assert kato.get("/reissues/?tab=nonsense&page=x").status_code == 200
    assert kato.get(f"/reissues/{'0' * 32}").status_code == 404


def test_the_list_goes_on_over_pages(issuing_doors: Doors) -> None:
    doors = issuing_doors
    _, names = doors.prepared(31)
    for name in names:
        asked(doors, name)
    sato = doors.staff("sato")
    first, second = (sato.get(f"/reissues/?tab=open&q=NAC001&page={number}").text for number in (1, 2))
    assert "全31件" in first
    assert "1 / 2ページ" in first
    shown = [[name for name in names if f">{name}</a>" in page] for page in (first, second)]
    assert [len(page) for page in shown] == [30, 1]
    assert tuple(sorted(shown[0] + shown[1])) == names
    assert "tab=open" in first


def test_the_first_page_counts_what_waits_and_what_is_late(doors: Doors) -> None:
    asked(doors)
    page = doors.staff("sato").get("/").text
    assert '<a href="/reissues/?tab=decide">判断を待つ再発行</a></h3>\n<p class="big info">1件</p>' in page
    assert '<a href="/reissues/?tab=late">遅れている再発行</a></h3>\n<p class="big bad">0件</p>' in page
    doors.clock.advance(timedelta(days=2))
    page = doors.staff("sato").get("/").text
    assert '<a href="/reissues/?tab=late">遅れている再発行</a></h3>\n<p class="big bad">1件</p>' in page
    assert "遅れています" in doors.staff("sato").get("/reissues/?tab=late").text


def test_codes_that_are_overdue_for_months_leave_the_old_certificate(issuing_doors: Doors, issued: str) -> None:
    doors, reissue = issuing_doors, accepted(issuing_doors, issued)
    doors.clock.advance(timedelta(days=100))
    kato = doors.staff("kato")
    assert issued in kato.get("/reissues/?tab=late").text
    assert certificate_state(doors, issued) is CertificateState.VALID
    arrived(kato, f"/reissues/{reissue.id}/codes")
    ends_on = now_of(doors, reissue).ends_on
    assert ends_on is not None
    assert ends_on > tokyo_date(doors.clock.now()) + timedelta(days=50)


def test_a_confirmation_has_an_address_that_can_be_read_again_and_does_nothing(issuing_doors: Doors, issued: str) -> None:
    doors = issuing_doors
    sato, path = doors.staff("sato"), f"/terminals/{issued}/reissue"
    sato.get(path)
    sent = sato.post(path, {"reason": "pc-replaced", "remark": "<b>お電話</b>"})
    assert (sent.status_code, sent.location) == (303, f"{path}?confirm")
    for _ in range(2):
        page = sato.get(sent.location)
        assert (page.status_code, "&lt;b&gt;お電話&lt;/b&gt;" in page.text) == (200, True)
    assert of_terminal(doors, issued) == []
    assert "お電話" not in sato.get(path).text
    other = sato.post(path, {"reason": "expired", "remark": "", "step": "back"})
    assert (other.status_code, "まだ何も行われていません" in other.text) == (200, False)
    sato.post(path, {"reason": "pc-replaced", "remark": "<b>お電話</b>", "step": "do"})
    assert len(of_terminal(doors, issued)) == 1
    again = sato.get(sent.location)  # done: nothing waits to be confirmed any more
    assert (again.status_code, "お電話" in again.text) == (200, False)
