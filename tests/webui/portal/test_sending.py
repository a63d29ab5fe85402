"""Files on their way in and out: checked, the office's own, and saved by browsers without ever being shown."""

import io
import re
from datetime import date

import pytest
from werkzeug.test import TestResponse

from registry import applications
from registry.applicants import contact_form
from registry.drafts import Draft, Section
from tests.registry.attachments.samples import PDF, XLSX
from tests.webui.conftest import APPLICANT, HANAKO, SATO, START, Doors
from tests.webui.visitors import Visitor
from webui.csrf import FIELD

CONFIRM = "/apply/confirm"


@pytest.fixture
def draft(doors: Doors) -> Draft:
    """Return hanako's draft, complete."""
    draft = doors.drafts.begin(HANAKO)
    for section, typed in {
        Section.CHOICE: {"items": ["terminals"], "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        Section.TERMINALS: {"add.net.sea": ["2"]},
    }.items():
        draft = doors.drafts.save(HANAKO, draft.id, section, typed)
    return draft


def send(visitor: Visitor, path: str, form: dict[str, object], *files: tuple[str, bytes]) -> TestResponse:
    """Send a form with files, as a browser does."""
    parts = [(io.BytesIO(content), name) for name, content in files]
    return visitor.client.post(
        path,
        base_url="https://localhost",
        data={FIELD: visitor.token, **form, "files": parts or [(io.BytesIO(b""), "")]},
        environ_base={"REMOTE_ADDR": visitor.address},
    )


def shown(page: str) -> dict[str, object]:
    found = {name: re.findall(rf'name="{name}" value="([^"]*)"', page) for name in ("draft", "shown", "file")}
    return {"draft": found["draft"][0], "shown": found["shown"][0], "file": found["file"], "remarks": "よろしく"}


def sent_file(doors: Doors) -> tuple[str, str]:
    """Return the address of a file of an application, at the portal and at the center."""
    visitor = doors.customer()
    number = re.findall("[0-9]{6}[A-Z]", registered(visitor, ("見積書.pdf", PDF)).location)[0]
    (path,) = re.findall(r'href="(/applications/\w+/files/\w+)"', visitor.get(f"/applications/{number}").text)
    return number, path


def registered(visitor: Visitor, *files: tuple[str, bytes]) -> TestResponse:
    return send(visitor, CONFIRM, shown(visitor.get(CONFIRM).text), *files)


def test_files_are_attached_taken_back_and_registered(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    form = shown(visitor.get(CONFIRM).text)
    answer = send(visitor, CONFIRM, {**form, "then": "attach"}, ("old/図面.pdf", PDF), ("台数.xlsx", XLSX))
    assert (answer.status_code, answer.location) == (303, f"{CONFIRM}#attachments")
    page = visitor.get(CONFIRM).text
    assert "よろしく" in page
    sent = {name: file for file, name in re.findall(r'href="/apply/files/(\w+)">([^<]+)<', page)}
    assert visitor.get(f"/apply/files/{sent['図面.pdf']}").data == PDF
    send(visitor, CONFIRM, {**shown(page), "then": f"remove.{sent['台数.xlsx']}"})
    answer = registered(visitor, ("もう1つ.txt", "本文".encode()))
    assert answer.location == "/apply/done/260001A"
    page = visitor.get("/applications/260001A").text
    assert "図面.pdf" in page
    assert "もう1つ.txt" in page
    assert "台数.xlsx" not in page


def test_a_double_press_with_a_file_registers_once(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    form = shown(visitor.get(CONFIRM).text)
    answers = [send(visitor, CONFIRM, form, ("a.pdf", PDF)) for _ in range(2)]
    assert [answer.location for answer in answers] == ["/apply/done/260001A"] * 2


def test_what_was_typed_and_chosen_stays_when_another_window_changed_a_page(doors: Doors, draft: Draft) -> None:
    visitor = doors.customer()
    form = shown(visitor.get(CONFIRM).text) | {"remarks": "三行の備考"}
    doors.drafts.save(HANAKO, draft.id, Section.TERMINALS, {"add.net.sea": ["3"]})
    assert send(visitor, CONFIRM, form, ("図面.pdf", PDF)).location == CONFIRM
    page = visitor.get(CONFIRM).text
    assert "別の画面で申込内容が変更されました" in page
    assert "三行の備考" in page
    assert "図面.pdf" in page
    assert send(visitor, CONFIRM, shown(page) | {"remarks": "三行の備考"}).location == "/apply/done/260001A"


def test_a_file_that_was_not_shown_is_not_registered(doors: Doors, draft: Draft) -> None:
    del draft
    visitor, other = doors.customer(), doors.customer()
    form = shown(visitor.get(CONFIRM).text)
    send(other, CONFIRM, {**shown(other.get(CONFIRM).text), "then": "attach"}, ("a.pdf", PDF))
    assert send(visitor, CONFIRM, form).location == CONFIRM
    assert "別の画面で申込内容が変更されました" in visitor.get(CONFIRM).text


def test_what_is_wrong_with_a_file_stands_beside_the_field(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    for then in ("attach", ""):
        answer = send(visitor, CONFIRM, {**shown(visitor.get(CONFIRM).text), "then": then}, ("a.exe", b"MZ"), ("b.pdf", XLSX))
        assert answer.status_code == 422
        assert "「a.exe」は添付できない形式です" in answer.text
        assert "「b.pdf」の中身が" in answer.text
        assert "よろしく" in answer.text
    large = send(
        visitor, CONFIRM, {**shown(visitor.get(CONFIRM).text), "then": "attach"}, ("a.pdf", PDF + bytes(5 * 1024 * 1024))
    )
    assert "「a.pdf」は5MBを超えています" in large.text
    six = [(f"{at}.txt", b"x") for at in range(6)]
    answer = send(visitor, CONFIRM, {**shown(visitor.get(CONFIRM).text), "then": "attach"}, *six)
    assert "添付できるのは5個までです" in answer.text


def test_only_routes_for_files_take_large_requests_and_only_from_those_they_admit(doors: Doors) -> None:
    body = {"remarks": "x", "files": (io.BytesIO(bytes(600 * 1024)), "a.pdf")}
    for visitor, path, status in (
        (doors.customer(), "/apply/items", 413),
        (doors.customer("jiro"), CONFIRM, 403),
        (Visitor(doors.portal), CONFIRM, 303),
    ):
        visitor.get("/login")
        sent = {FIELD: visitor.token, **body, "files": (io.BytesIO(bytes(600 * 1024)), "a.pdf")}
        assert visitor.client.post(path, base_url="https://localhost", data=sent).status_code == status, path
    visitor = doors.customer()
    visitor.get("/")
    sent = {FIELD: visitor.token, "files": (io.BytesIO(bytes(27 * 1024 * 1024)), "a.pdf")}
    assert visitor.client.post(CONFIRM, base_url="https://localhost", data=sent).status_code == 413


def test_a_file_leaves_as_octets_that_nothing_opens(doors: Doors, draft: Draft) -> None:
    del draft
    number, path = sent_file(doors)
    staff = doors.staff("kato")
    (center,) = re.findall(r'href="(/applications/\w+/files/\w+)"', staff.get(f"/applications/{number}").text)
    for answer in (doors.customer("jiro").get(path), staff.get(center)):
        assert (answer.status_code, answer.data, answer.mimetype) == (200, PDF, "application/octet-stream")
        named = "attachment; filename=attachment.pdf; filename*=UTF-8''%E8%A6%8B%E7%A9%8D%E6%9B%B8.pdf"
        assert answer.headers["Content-Disposition"] == named
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        assert answer.headers["Cache-Control"] == "no-store"


def test_another_offices_files_are_unknown(doors: Doors, draft: Draft) -> None:
    number, path = sent_file(doors)
    assert doors.customer("saburo", office_code="NAC002").get(path).status_code == 404
    assert Visitor(doors.portal).get(path).status_code == 303
    assert doors.customer().get(path.replace(number, "260002A")).status_code == 404
    assert doors.customer().get(f"/apply/files/{path.rpartition('/')[2]}").status_code == 404
    assert draft.id


def test_an_answer_brings_files_and_its_faults_keep_what_was_typed(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "図面をお送りください。", actor=SATO)
    visitor, path = doors.customer(), f"/applications/{number}"
    visitor.get(path)
    answer = send(visitor, path, {"answer": "送ります。"}, ("図面.pdf", XLSX))
    assert answer.status_code == 422
    assert "送ります。" in answer.text
    assert send(visitor, path, {"answer": "送ります。"}, ("図面.pdf", PDF)).status_code == 303
    assert "図面.pdf" in visitor.get(path).text


def test_a_correction_is_made_in_the_own_office_while_a_question_is_open(doors: Doors) -> None:
    number = doors.applied()
    begin, visitor = f"/apply/corrections/{number}", doors.customer()
    visitor.get("/")
    assert visitor.post(begin).status_code == 409
    doors.review.query(number, "?", actor=SATO)
    stranger = doors.customer("saburo", office_code="NAC002")
    stranger.get("/")
    assert (stranger.post(begin).status_code, stranger.get(f"{begin}/items").status_code) == (404, 404)
    assert visitor.post(begin).location == f"{begin}/confirm"
    page = visitor.get(f"{begin}/confirm").text
    assert "申込の内容に、修正した箇所はありません" in page
    assert f'href="{begin}/terminals"' in page
    visitor.post(f"{begin}/terminals", {"add.net.sea": "3"})
    answer = send(visitor, f"{begin}/confirm", {**shown(visitor.get(f"{begin}/confirm").text), "answer": "3台です。"})
    assert answer.location == f"/applications/{number}"
    shows = visitor.get(answer.location).text
    assert "第1版から第2版への修正" in shows
    assert "3台です。" in shows
    with doors.database.snapshot() as session:
        assert applications.of_office(session, "NAC001").total == 1


def test_a_correction_that_comes_too_late_leads_to_its_application(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "?", actor=SATO)
    begin, visitor = f"/apply/corrections/{number}", doors.customer()
    visitor.get("/")
    visitor.post(begin)
    fields = shown(visitor.get(f"{begin}/confirm").text)
    assert "まだ回答していません" in visitor.get(f"/applications/{number}").text
    doors.review.approve(number, date(2026, 12, 15), approver=SATO)
    answers = [
        send(visitor, f"{begin}/confirm", fields),
        *(visitor.get(f"{begin}{page}") for page in ("/terminals", "/confirm", "")),
    ]
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, f"/applications/{number}")}
    page = visitor.get(f"/applications/{number}").text
    assert page.count("この申込は、今は修正できません") == len(answers)
    assert "回答はありませんでした" in page


def test_staff_approve_only_what_they_have_read(doors: Doors) -> None:
    number = doors.applied()
    doors.review.query(number, "?", actor=SATO)
    staff, visitor = doors.staff(), doors.customer()
    (approve,) = re.findall(rf'href="(/applications/{number}/approve[^"]*)"', staff.get(f"/applications/{number}").text)
    staff.get(approve)
    confirmation = staff.post(f"/applications/{number}/approve", {"start_date": "2026/12/15", "version": "1"}).location
    assert "まだ何も行われていません" in staff.get(confirmation).text
    visitor.get("/")
    visitor.post(f"/apply/corrections/{number}")
    send(visitor, f"/apply/corrections/{number}/confirm", shown(visitor.get(f"/apply/corrections/{number}/confirm").text))
    assert staff.get(confirmation).location == f"/applications/{number}"
    assert "お客様が申込を修正しました" in staff.get(f"/applications/{number}").text
    typed = {"start_date": "2026/12/15", "version": "1"}
    for step in ({}, {"step": "do"}):
        assert staff.post(f"/applications/{number}/approve", {**typed, **step}).status_code == 303
        assert "お客様が申込を修正しました" in staff.get(f"/applications/{number}").text
    assert "お客様による修正" in staff.get(f"/applications/{number}").text
    staff.post(f"/applications/{number}/approve", {**typed, "version": "2", "step": "do"})
    assert "審査終了" in staff.get(f"/applications/{number}").text


def test_the_list_is_searched_and_narrowed(doors: Doors) -> None:
    first, second = doors.applied(), doors.applied()
    doors.review.query(second, "?", actor=SATO)
    visitor = doors.customer()
    for query, found in {
        f"q={first}": {first},
        "q=花子": {first, second},
        "q=通関 花子": {first, second},
        "q=太郎": set(),
        "state=queried": {second},
        "state=review": {first},
        "state=x&item=x": {first, second},
        "item=terminals": {first, second},
        "item=names": set(),
    }.items():
        assert set(re.findall(r'href="/applications/(\w{7})"', visitor.get(f"/applications?{query}").text)) == found, query


def test_a_withdrawal_tells_its_reason_to_both_doors(doors: Doors) -> None:
    number, visitor = doors.applied(), doors.customer()
    path = f"/applications/{number}/withdrawal"
    visitor.get(path)
    answer = visitor.post(path, {"reason": "\u200b"})
    assert (answer.status_code, "使えない文字" in answer.text) == (422, True)
    assert visitor.post(path, {"reason": "計画が変わりました。"}).status_code == 303
    for reader in (visitor, doors.staff()):
        assert "計画が変わりました。" in reader.get(f"/applications/{number}").text


def test_a_start_date_is_chosen_by_a_press_and_keeps_the_items(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    page = visitor.get("/apply/schedule?month=2026-12").text
    assert 'value="2026/12/17"' in page
    assert 'value="2026/12/16"' not in page
    assert "年末年始" in page
    assert visitor.post("/apply/schedule", {"wished_start": "2026/12/17"}).location == "/apply/items#wished_start"
    page = visitor.get("/apply/items").text
    assert 'value="2026/12/17"' in page
    assert re.search(r'value="terminals"\s+checked', page)
    assert 'name="wished_start"' not in doors.customer("jiro").get("/apply/schedule").text


def test_staff_change_the_published_days(doors: Doors) -> None:
    staff, form = doors.staff(), {"day": "20261216", "deed": "open", "note": "年末のため"}
    staff.get("/start-days/")
    assert "2026/12/16" in staff.arrive("/start-days/change", form).text
    staff.post("/start-days/change", {**form, "step": "do"})
    assert "年末のため" in staff.get("/start-days/").text
    assert 'datetime="2026-12-16"' in doors.customer().get("/apply/schedule?month=2026-12").text
    staff.get("/start-days/")
    for typed, told in {"20261219": "営業日ではない", "20261216": "すでにそのとおり", "x": "20261210または"}.items():
        answer = staff.post("/start-days/change", {**form, "day": typed, "step": "do"})
        assert told in (answer.text if answer.status_code == 422 else staff.get("/start-days/").text)


def test_attaching_nothing_is_told_and_a_full_list_says_why_no_more_can_be_added(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    answer = send(visitor, CONFIRM, {**shown(visitor.get(CONFIRM).text), "then": "attach"})
    assert answer.status_code == 422
    assert "添付するファイルを選択してください" in answer.text
    five = [(f"{at}.txt", b"x") for at in range(5)]
    send(visitor, CONFIRM, {**shown(visitor.get(CONFIRM).text), "then": "attach"}, *five)
    page = visitor.get(CONFIRM).text
    assert 'type="file"' not in page
    assert "添付できるのは5個までです" in page


def test_too_large_a_request_is_told_with_the_limit_and_the_way_back(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    visitor.get(CONFIRM)
    for referrer, back in (
        ("https://localhost/applications/260001A?a=1", "/applications/260001A?a=1"),
        ("https://elsewhere.example.jp/", CONFIRM),
        ("", CONFIRM),
    ):
        answer = visitor.client.post(
            CONFIRM,
            base_url="https://localhost",
            data={FIELD: visitor.token, "files": (io.BytesIO(bytes(27 * 1024 * 1024)), "a.pdf")},
            headers={"Referer": referrer} if referrer else {},
        )
        assert answer.status_code == 413
        assert "合わせて25MBまでです" in answer.text
        assert f'href="{back}"' in answer.text
