"""Moving a start date: typed with a reason, confirmed with what it does, then the codes are somebody else's."""

from datetime import timedelta

import pytest

from enrollment import staff_views
from kernel import outbox
from registry import applications
from registry.states import ApplicationState
from tests.support.house import SOURCE, House, new_request
from tests.webui.center.conftest import file_application
from tests.webui.conftest import KATO, SATO, START, Doors
from tests.webui.visitors import Visitor

LATER = {"start_date": "2026/12/22", "reason": "お客様のご依頼のため"}


@pytest.fixture
def prepared(doors: Doors) -> str:
    """Return an application whose codes kato has prepared."""
    number = file_application(doors)
    doors.review.approve(number, START, approver=SATO)
    doors.preparation.prepare(number, KATO)
    return number


def state_of(doors: Doors, number: str) -> tuple[ApplicationState, str]:
    with doors.database.snapshot() as session:
        application = applications.find(session, number)
    assert application
    return application.state, str(application.start_date)


def test_a_move_is_confirmed_first_and_then_the_codes_wait_for_somebody_else(doors: Doors, prepared: str, sato: Visitor) -> None:
    path = f"/applications/{prepared}/start"
    assert f'href="{path}"' in sato.get(f"/applications/{prepared}").text
    assert "変更後の利用開始日" in sato.get(path).text
    confirmation = sato.arrive(path, LATER).text
    for text in ("2026/12/15", "2026/12/22", "お客様のご依頼のため", "これまでのコードは使えなくなり", "NAC001"):
        assert text in confirmation, text
    assert state_of(doors, prepared) == (ApplicationState.PREPARED, "2026-12-15")
    done = sato.post(path, LATER | {"step": "do"})
    page = sato.get(done.location).text
    for text in ("利用開始日を2026/12/22に変更しました。", "利用開始日を変更した職員", "コードはほかの職員が準備します"):
        assert text in page, text
    assert state_of(doors, prepared) == (ApplicationState.APPROVED, "2026-12-22")
    kato = doors.staff("kato")
    kato.get(f"/applications/{prepared}/codes")
    kato.post(f"/applications/{prepared}/codes", {"step": "do"})
    assert state_of(doors, prepared) == (ApplicationState.PREPARED, "2026-12-22")
    with doors.database.snapshot() as session:
        told = outbox.search(session, outbox.Wanted(mentioning="お客様のご依頼のため"))
    assert {mail.subject for mail in told} == {"【NSS】利用開始日変更のお知らせ"}
    news = doors.customer().get("/").text
    assert "利用開始日が変わりました。" in news


@pytest.mark.parametrize(
    ("typed", "sentences"),
    [
        ({"start_date": "2026/02/30", "reason": ""}, ["実在する日付を入力してください。", "入力してください。"]),
        ({"start_date": "2026/12/15", "reason": "x"}, ["今の利用開始日と同じ日付です。"]),
        ({"start_date": "2026/11/01", "reason": "x"}, ["今日以降の日付を入力してください。"]),
        ({"start_date": "2030/01/01", "reason": "x"}, ["までの日付を入力してください。"]),
    ],
)
def test_what_can_not_be_is_told_beside_its_field(
    doors: Doors, prepared: str, sato: Visitor, typed: dict[str, str], sentences: list[str]
) -> None:
    path = f"/applications/{prepared}/start"
    sato.get(path)
    assert sato.post(path, typed).status_code == 422  # already before it is confirmed
    response = sato.post(path, typed | {"step": "do"})
    assert response.status_code == 422
    assert all(sentence in response.text for sentence in sentences)
    assert typed["start_date"] in response.text
    back = sato.post(path, typed | {"step": "back"})
    assert typed["start_date"] in back.text
    assert state_of(doors, prepared) == (ApplicationState.PREPARED, "2026-12-15")


def test_nothing_is_offered_once_service_has_begun(doors: Doors, prepared: str) -> None:
    doors.clock.instant += timedelta(days=21)
    sato = doors.staff("sato")
    page = sato.get(f"/applications/{prepared}").text
    assert f"/applications/{prepared}/start" not in page
    refused = sato.get(f"/applications/{prepared}/start")
    assert "利用開始日を過ぎているため、変更できません。" in sato.get(refused.location).text
    late = sato.post(f"/applications/{prepared}/start", {"start_date": "2027/01/12", "reason": "x", "step": "do"})
    assert "利用開始日を過ぎているため、変更できません。" in sato.get(late.location).text


def test_a_certificate_that_would_begin_too_early_is_named_as_ending(issuing_doors: Doors, house: House) -> None:
    number, (name, *_) = issuing_doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    sato = issuing_doors.staff("sato")
    sato.get(f"/applications/{number}/start")
    assert "すぐに失効します。" in sato.arrive(f"/applications/{number}/start", LATER).text
    earlier = sato.arrive(f"/applications/{number}/start", LATER | {"start_date": "2026/12/10"}).text
    assert "すぐに失効します。" not in earlier
    sato.post(f"/applications/{number}/start", LATER | {"step": "do"})
    with issuing_doors.database.snapshot() as session:
        [certificate] = staff_views.certificates_of(session, name)
    assert (certificate.state, certificate.reason) == ("revoked", "superseded")
