"""The documents of an application at both doors: whose they are, from when on, and that nobody else gets them."""

from datetime import timedelta
from io import BytesIO

import pytest

from enrollment.documents.verification import LARGEST, PER_SOURCE
from kernel import throttle
from kernel.clock import day_start
from registry.applicants import contact_form
from tests.support.clock import SettableClock
from tests.support.documents import notices
from tests.support.house import House
from tests.webui.conftest import APPLICANT, SATO, START, Doors
from tests.webui.visitors import Visitor

# What the pages say does not depend on what lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOTICE, FORM = "/applications/{}/approval-notice.pdf", "/applications/{}/application-form.pdf"


def approved(doors: Doors, house: House) -> str:
    """Return the receipt number of an application that was approved and whose notice was made."""
    number = doors.applied()
    doors.review.approve(number, START, approver=SATO)
    assert notices(house).make_due(doors.clock.now()) == 1
    return number


def send(visitor: Visitor, content: bytes, **headers: str) -> str:
    """Send a file to the public page and return what it says."""
    visitor.get("/verify", **headers)
    form = {"document": (BytesIO(content), "notice.pdf")}
    return visitor.post("/verify", form, **headers).text  # type: ignore[arg-type]  # Flask's client takes files so


def test_the_form_is_the_offices_own_from_filing_on(issuing_doors: Doors) -> None:
    number = issuing_doors.applied()
    page = issuing_doors.customer().get(f"/applications/{number}").text
    assert "申込書を出力する" in page
    assert "承認通知" not in page.replace("利用契約変更承認通知", "")
    for user in ("hanako", "jiro"):
        answer = issuing_doors.customer(user).get(FORM.format(number))
        assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
        assert answer.data.startswith(b"%PDF-1.7")
        assert answer.headers["Content-Disposition"] == f"attachment; filename=application-form-{number}.pdf"
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_notice_says_from_when_and_is_had_from_then_on(
    issuing_doors: Doors, house: House, clock: SettableClock
) -> None:  # fmt: skip
    number = issuing_doors.applied()
    hanako = issuing_doors.customer()
    assert hanako.get(NOTICE.format(number)).status_code == 404
    issuing_doors.review.approve(number, START, approver=SATO)
    page = hanako.get(f"/applications/{number}").text
    assert "承認通知を作成しています。2026/12/15から出力できます。" in page
    assert hanako.get(NOTICE.format(number)).status_code == 409
    notices(house).make_due(clock.now())
    page = hanako.get(f"/applications/{number}").text
    assert "承認通知は2026/12/15から出力できます" in page
    assert NOTICE.format(number) not in page
    early = hanako.get(NOTICE.format(number))
    assert early.status_code == 409
    assert "2026-12-15" in early.text
    clock.instant = day_start(START)
    hanako = issuing_doors.customer()
    assert NOTICE.format(number) in hanako.get(f"/applications/{number}").text
    answer = hanako.get(NOTICE.format(number))
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert hanako.get(NOTICE.format(number)).data == answer.data


def test_staff_read_the_notice_before_the_start_date(issuing_doors: Doors, house: House) -> None:
    number = approved(issuing_doors, house)
    for user in ("sato", "kato", "ito"):
        visitor = issuing_doors.staff(user)
        page = visitor.get(f"/applications/{number}").text
        assert "お客様は、2026/12/15から承認通知を出力できます。" in page
        assert visitor.get(NOTICE.format(number)).data.startswith(b"%PDF-1.7")
    assert issuing_doors.staff().get(FORM.format(number)).data.startswith(b"%PDF-1.7")
    assert issuing_doors.staff().get(FORM.format("269999Z")).status_code == 404


def test_nobody_else_gets_either(issuing_doors: Doors, house: House, clock: SettableClock) -> None:
    number = approved(issuing_doors, house)
    clock.instant = day_start(START)
    for path in (NOTICE, FORM):
        assert issuing_doors.customer("saburo", office_code="NAC002").get(path.format(number)).status_code == 404
        for door in (issuing_doors.portal, issuing_doors.center):
            answer = Visitor(door).get(path.format(number))
            assert (answer.status_code, answer.location.split("?")[0]) == (303, "/login")


def test_the_public_page_tells_strangers_whose_a_file_is(issuing_doors: Doors, house: House) -> None:
    number = approved(issuing_doors, house)
    notice = issuing_doors.staff().get(NOTICE.format(number)).data
    stranger = Visitor(issuing_doors.portal)
    told = send(stranger, notice)
    for words in ("当センターが発行した承認通知です", "改変されていません", "現在も有効", number, "2026/12/15", "タイムスタンプ"):
        assert words in told
    told = send(stranger, notice + b"\n")
    assert "信用しないでください" in told
    assert number not in told
    assert "署名がありません" in send(stranger, issuing_doors.staff().get(FORM.format(number)).data)
    assert "読み取れません" in send(stranger, b"%PDF-1.7\n")
    stranger.post("/language", {"language": "en", "next": "/verify"})
    assert "issued by us" in send(stranger, notice)


def test_the_public_page_refuses_what_can_be_no_notice(issuing_doors: Doors) -> None:
    stranger = Visitor(issuing_doors.portal)
    assert "選択してください" in send(stranger, b"")
    assert "PDFファイルではありません" in send(stranger, b"GIF89a")
    assert f"大きすぎます({LARGEST // 2**20}MBまで)" in send(stranger, b"%PDF-" + bytes(LARGEST))
    assert "ファイルを合わせて" in send(stranger, b"%PDF-" + bytes(2 * LARGEST))  # not even read
    stranger.get("/verify")
    assert stranger.post("/verify", {"document": "no file"}).status_code == 422
    assert stranger.post_bare("/verify", {}).status_code == 400


def test_a_file_as_large_as_a_notice_of_thousands_of_terminals_is_read(issuing_doors: Doors) -> None:
    told = send(Visitor(issuing_doors.portal), b"%PDF-1.7\n" + bytes(3 * 2**20))
    assert "読み取れません" in told


def test_who_sends_many_files_waits(issuing_doors: Doors) -> None:
    stranger = Visitor(issuing_doors.portal)
    with issuing_doors.database.transaction() as session:
        for _ in range(PER_SOURCE.failures):
            throttle.count_failure(session, "verify/192.0.2.1", PER_SOURCE, issuing_doors.clock.now())
    stranger.get("/verify")
    answer = stranger.post("/verify", {"document": (BytesIO(b"%PDF-"), "n.pdf")})  # type: ignore[dict-item]  # a file
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= PER_SOURCE.lock / timedelta(seconds=1)


def test_a_character_that_no_document_can_show_is_told_beside_the_field_and_kept(issuing_doors: Doors) -> None:
    hanako = issuing_doors.customer()
    hanako.get("/apply")
    hanako.post("/apply")
    hanako.get("/apply/items")
    hanako.post("/apply/items", {"items": ["terminals"], "wished_start": START.strftime("%Y%m%d")})
    hanako.get("/apply/applicant")
    typed = {name: values[0] for name, values in contact_form(APPLICANT).items()} | {"family_name": "김"}
    hanako.post("/apply/applicant", typed)
    page = hanako.get("/apply/applicant").text
    assert "「김」(U+AE40)は、書類に印字できない文字です。" in page
    assert 'value="김"' in page
