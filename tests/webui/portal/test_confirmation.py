"""The confirmation: what is shown is what is registered, once."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from kernel.outbox import OutboxMail
from registry import applications
from registry.applicants import contact_form
from registry.drafts import Draft, Section
from tests.webui.conftest import APPLICANT, HANAKO, START, TERMINAL, Doors


@pytest.fixture
def draft(doors: Doors) -> Draft:
    """Return hanako's draft, complete: two more terminals, another class for the old one, another price plan."""
    draft = doors.drafts.begin(HANAKO)
    for section, typed in {
        Section.CHOICE: {"items": ["terminals", "price_plan"], "wished_start": [START.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        Section.TERMINALS: {"add.net.sea": ["2"], f"class.{TERMINAL}": ["air"]},
        "price_plan": {"price_plan": ["B"]},
    }.items():
        draft = doors.drafts.save(HANAKO, draft.id, section, typed)
    return draft


def hidden(page: str) -> dict[str, str | list[str]]:
    return {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[0] for name in ("draft", "shown")}


def registered(doors: Doors) -> int:
    with doors.database.snapshot() as session:
        return applications.of_office(session, "NAC001").total


def test_before_and_after_are_shown(doors: Doors, draft: Draft) -> None:
    del draft
    page = doors.customer().get("/apply/confirm").text
    rows = [re.sub(r"<[^>]+>|\s", " ", row) for row in page.split("<tr")[1:]]
    added = next(row for row in rows if "(新規)" in row)
    changed = next(row for row in rows if TERMINAL in row)
    assert "追加" in added
    assert "2台" in added
    assert changed.index("海上") < changed.index("航空")
    assert "Bプラン(従量料金のみ)" in page
    assert "2026/12/15" in page
    assert "通関　花子" in page


def test_registration_gives_a_number_a_mail_to_each_and_news(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    response = visitor.post("/apply/confirm", hidden(visitor.get("/apply/confirm").text) | {"remarks": "よろしく"})
    assert response.location == "/apply/done/260001A"
    assert "260001A" in visitor.get(response.location).text
    assert "よろしく" in visitor.get("/applications/260001A").text
    assert "利用申込を受け付けました" in visitor.get("/").text
    with doors.database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(OutboxMail)).one() >= 1
    assert doors.drafts.load(HANAKO) is None


def test_pressing_again_gives_the_same_number(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    form = hidden(visitor.get("/apply/confirm").text) | {"remarks": "x"}
    assert visitor.post("/apply/confirm", form).location == visitor.post("/apply/confirm", form).location
    assert registered(doors) == 1


def test_a_double_press_at_one_moment_registers_once(doors: Doors, draft: Draft) -> None:
    del draft
    visitors = [doors.customer() for _ in range(4)]
    forms = [hidden(visitor.get("/apply/confirm").text) | {"remarks": "x"} for visitor in visitors]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda pair: pair[0].post("/apply/confirm", pair[1]), zip(visitors, forms, strict=True)))
    assert {answer.location for answer in answers} == {"/apply/done/260001A"}
    assert registered(doors) == 1


def test_what_changed_in_another_window_is_shown_again_first(doors: Doors, draft: Draft) -> None:
    visitor = doors.customer()
    form = hidden(visitor.get("/apply/confirm").text) | {"remarks": ""}
    doors.drafts.save(HANAKO, draft.id, Section.TERMINALS, {"add.net.sea": ["3"]})
    assert visitor.post("/apply/confirm", form).location == "/apply/confirm"
    page = visitor.get("/apply/confirm").text
    assert "別の画面で申込内容が変更されました" in page
    assert "3台" in page
    assert registered(doors) == 0


def test_faulty_remarks_are_kept_and_explained(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    form = hidden(visitor.get("/apply/confirm").text) | {"remarks": "長" * 401}
    assert visitor.post("/apply/confirm", form).location == "/apply/confirm#faults"
    page = visitor.get("/apply/confirm").text
    assert "長" * 401 in page
    assert "400文字以内" in page.partition('id="remarks-fault"')[2]


def test_a_discarded_draft_can_not_be_registered(doors: Doors, draft: Draft) -> None:
    visitor = doors.customer()
    form = hidden(visitor.get("/apply/confirm").text)
    doors.drafts.discard(HANAKO, draft.id)
    assert visitor.post("/apply/confirm", form).location == "/apply"
    assert "すでに破棄されています" in visitor.get("/apply").text


def test_a_terminal_taken_by_a_colleague_meanwhile_leads_back(doors: Doors, draft: Draft) -> None:
    visitor = doors.customer()
    form = hidden(visitor.get("/apply/confirm").text) | {"remarks": ""}
    other = doors.drafts.begin(colleague := type(HANAKO)("NAC001", "jiro"))
    for section, typed in {**draft.sections, Section.TERMINALS: {"abolish": [TERMINAL]}}.items():
        other = doors.drafts.save(colleague, other.id, section, typed)
    doors.applications.submit(colleague, other.id, version=other.version)
    assert visitor.post("/apply/confirm", form).location == "/apply/terminals#faults"
    page = visitor.get("/apply/terminals").text
    assert "確認中に状況が変わりました" in page
    assert "変更の手続き中です" in page


def test_the_number_of_another_office_is_unknown(doors: Doors) -> None:
    number = doors.applied()
    assert doors.customer().get(f"/apply/done/{number}").status_code == 200
    assert doors.customer("saburo", office_code="NAC002").get(f"/apply/done/{number}").status_code == 404


def test_going_back_from_the_confirmation_keeps_the_remarks_and_registers_nothing(doors: Doors, draft: Draft) -> None:
    del draft
    visitor = doors.customer()
    sent = hidden(visitor.get("/apply/confirm").text) | {"remarks": "急ぎません", "then": "back"}
    assert visitor.post("/apply/confirm", sent).location == "/apply/items/price_plan"
    assert registered(doors) == 0
    assert "急ぎません" in visitor.get("/apply/confirm").text
