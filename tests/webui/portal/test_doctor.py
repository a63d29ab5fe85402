"""The doctor page: one's own terminals in plain words, where remedies lead, and cases, which the help desk sees alike."""

import re
from datetime import timedelta

import pytest

from ca.revocation import Reason
from enrollment.diagnosis_cases import shown
from enrollment.ending import Endings
from enrollment.reissue import ReissuePreparation, Reissues
from enrollment.reissue_records import ReissueReason
from kernel.clock import day_start
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import HANAKO, KATO, SATO, TERMINAL, Doors

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATH = f"/terminals/{TERMINAL}/doctor"


@pytest.fixture
def issued(issuing_doors: Doors, house: House) -> str:
    """Return a terminal with a certificate, whose start date has come."""
    _, (name, _) = issuing_doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    issuing_doors.clock.advance(timedelta(days=40))
    house.crl.publish_if_due(issuing_doors.clock.now())
    return name


def test_a_terminal_of_ones_own_in_plain_words(issuing_doors: Doors, issued: str) -> None:
    doors = issuing_doors
    visitor = doors.customer()
    page = visitor.get(f"/terminals/{issued}/doctor").text
    assert "センターの記録では、この端末はログオンできます" in page
    assert f'href="/terminals/{issued}/doctor"' in visitor.get("/contract/netnaccs").text
    Endings(doors.database, doors.clock).revoke(issued, Reason.KEY_COMPROMISE, SATO)
    page = visitor.get(f"/terminals/{issued}/doctor").text
    assert "この端末は、今ログオンできません" in page
    assert "鍵の漏えい(紛失・盗難を含む)" in page
    assert '<a class="code" href="/bulletin/codes/A0036">A0036</a>' in page
    assert f'href="/terminals/{issued}/reissue"' in page
    assert f'href="/terminals/{issued}/reissue"' not in doors.customer("jiro").get(f"/terminals/{issued}/doctor").text


def test_codes_lead_to_their_notice(issuing_doors: Doors) -> None:
    number, (name, _) = issuing_doors.prepared()
    page = issuing_doors.customer().get(f"/terminals/{name}/doctor").text
    assert "まだだれも確認していません" in page
    assert f'href="/applications/{number}/id-notice"' in page


def test_a_reissue_leads_to_its_page(issuing_doors: Doors) -> None:
    reissue = Reissues(issuing_doors.database, issuing_doors.clock).request(TERMINAL, ReissueReason.PC_REPLACED, HANAKO.actor)
    page = issuing_doors.customer().get(PATH).text
    assert f'href="/reissues/{reissue.id}"' in page
    assert "パソコンの入替え" in page
    staff = issuing_doors.staff().get(PATH).text
    assert f'href="/reissues/{reissue.id}"' in staff


def test_codes_that_can_not_be_used_are_not_recommended(issuing_doors: Doors, house: House) -> None:
    doors = issuing_doors
    number, (name, _) = doors.prepared()
    visitor, path = doors.customer(), f"/terminals/{name}/doctor"
    assert "コードを使って取得してください" in visitor.get(path).text
    house.notices.freeze(number, "NAC001", name, HANAKO.actor)
    page = visitor.get(path).text
    assert "事業所の方が凍結しました" in page
    assert "コードを使って取得してください" not in page
    assert re.search(r"codes-[a-z]+<", page) is None
    assert '<a href="/bulletin/codes/codes-frozen">この状態の説明を読む</a>' in page
    doors.clock.advance(timedelta(days=120))
    page = doors.customer().get(path).text
    assert "が過ぎています" in page
    assert "コードを使って取得してください" not in page
    assert re.search(r"codes-[a-z]+<", page) is None


def test_who_has_a_reissue_under_way_is_not_sent_for_another(issuing_doors: Doors, house: House, issued: str) -> None:
    doors, path = issuing_doors, f"/terminals/{issued}/doctor"
    Endings(doors.database, doors.clock).revoke(issued, Reason.CESSATION_OF_OPERATION, SATO)
    assert "再発行を申し込む" in doors.customer().get(path).text
    reissue = Reissues(doors.database, doors.clock).request(issued, ReissueReason.PC_REPLACED, HANAKO.actor)
    for page in (doors.customer().get(path).text, doors.staff().get(path).text):
        assert "再発行を申込中です" in page
        assert "再発行を申し込む" not in page
        assert "再発行を申し込んでください" not in page
        assert page.count(f'<a href="/reissues/{reissue.id}">手続き中の再発行を見る</a>') == 2
    ready_on = Reissues(doors.database, doors.clock).accept(reissue.id, SATO).ready_on
    assert ready_on
    doors.clock.instant = day_start(ready_on) + timedelta(hours=10)
    ReissuePreparation(doors.preparation).prepare(reissue.id, KATO)
    assert "新しいコードで、期限までに新しい証明書を取得してください。" in doors.customer().get(path).text
    house.notices.freeze(None, "NAC001", issued, HANAKO.actor)
    page = doors.customer().get(path).text
    assert "再発行のコードが準備されましたが、今は使えません" in page
    assert "新しい証明書を取得してください" not in page


def test_a_case_is_the_very_same_view_for_the_help_desk(issuing_doors: Doors, issued: str) -> None:
    doors, path = issuing_doors, f"/terminals/{issued}/doctor"
    visitor = doors.customer("jiro")
    visitor.get(path)
    kept = visitor.post(path).location
    assert visitor.post(path).location == kept
    number = kept.rpartition("/")[2]
    page = visitor.get(kept).text
    assert shown(number) in page
    Endings(doors.database, doors.clock).suspend(issued, SATO)
    assert "センターの記録では、この端末はログオンできます" in visitor.get(kept).text
    sato = doors.staff()
    assert sato.get(f"/cases?number={shown(number).lower()}").location == f"/cases/{number}"
    seen = sato.get(f"/cases/{number}").text
    assert "センターの記録では、この端末はログオンできます" in seen
    assert "お客様 NAC001/jiro" in seen
    assert "センターが端末を停止" not in seen
    assert "この端末は、今ログオンできません" in sato.get(path).text
    assert f'href="{path}"' in sato.get(f"/terminals/{issued}").text
    assert 'href="/cases"' in sato.get("/terminals/").text
    assert "この診断番号は見つかりません。" in sato.get("/cases?number=23456789").text
    assert sato.get("/cases/23456789").status_code == 404
    assert sato.get("/terminals/00000A/doctor").status_code == 404


def test_other_offices_see_neither_terminal_nor_case(issuing_doors: Doors, issued: str) -> None:
    visitor = issuing_doors.customer()
    visitor.get(PATH)
    kept = visitor.post(PATH).location
    stranger = issuing_doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    answers = [stranger.get(PATH), stranger.get(kept), stranger.post(PATH), visitor.get(kept.replace(TERMINAL, issued))]
    assert [one.status_code for one in answers] == [404] * 4


def test_too_many_cases_of_a_day_are_refused(issuing_doors: Doors) -> None:
    visitor = issuing_doors.customer()
    for _ in range(30):
        visitor.get(PATH)
        visitor.post(PATH)
        issuing_doors.clock.advance(timedelta(minutes=11))
    assert visitor.post(PATH).location == PATH
    assert "1日に30件まで" in visitor.get(PATH).text
