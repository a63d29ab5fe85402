"""Who may do what: each deed belongs to one role, is asked for by a form of ours, and is told in both languages."""

import re

import pytest

from enrollment.reissue import Reissues
from enrollment.reissue_records import ReissueReason
from tests.webui.center.conftest import Day, file_application
from tests.webui.conftest import HANAKO, START, TERMINAL, Doors
from tests.webui.visitors import Visitor
from webui import guard
from webui.accounts import Door
from webui.csrf import FIELD

REVIEW, ISSUING, SECURITY = "sato", "kato", "ito"
# Of no change: the role is asked for before anything is looked up.
CHANGE = "0" * 32
DEEDS = {
    "/applications/{number}/approve": REVIEW,
    "/applications/{number}/query": REVIEW,
    "/applications/{number}/reject": REVIEW,
    "/applications/{number}/cancel": REVIEW,
    "/applications/{number}/start": REVIEW,
    "/applications/{number}/items/mailboxes": REVIEW,
    "/applications/{number}/codes": ISSUING,
    "/reissues/{reissue}/accept": REVIEW,
    "/reissues/{reissue}/decline": REVIEW,
    "/reissues/{reissue}/withdraw": REVIEW,
    "/reissues/{reissue}/codes": ISSUING,
    "/terminals/99999W/reissue": REVIEW,
    "/generations/new": ISSUING,
    "/generations/{number}/again": ISSUING,
    "/generations/{number}/start": SECURITY,
    "/generations/{number}/pause": SECURITY,
    "/generations/{number}/resume": SECURITY,
    "/generations/{number}/stop": SECURITY,
    "/generations/{number}/postpone": SECURITY,
    "/terminals/99999W/codes/replace": ISSUING,
    "/terminals/99999W/codes/thaw": ISSUING,
    "/terminals/99999W/codes/unlock": ISSUING,
    "/terminals/99999W/revoke": SECURITY,
    "/terminals/99999W/suspend": SECURITY,
    "/terminals/99999W/resume": SECURITY,
    "/offices/NAC001/disclosure": SECURITY,
    "/offices/NAC001/users/jiro/disable": SECURITY,
    "/offices/NAC001/administrator-account": SECURITY,
    "/staff-invitation": SECURITY,
    "/staff/jiro/roles": SECURITY,
    "/staff/jiro/disable": SECURITY,
    f"/address-changes/{CHANGE}/confirm": SECURITY,
    f"/address-changes/{CHANGE}/decline": SECURITY,
    "/mails/1/again": REVIEW,
    "/offices/NAC001/users/jiro/second-factors": SECURITY,
    "/start-days/change": REVIEW,
    "/bulletin/new": REVIEW,
    "/bulletin/{number}/edit": REVIEW,
    "/bulletin/{number}/publish": REVIEW,
    "/bulletin/{number}/withdraw": REVIEW,
}
READING = (
    "/",
    "/applications/",
    "/applications/{number}",
    "/terminals/",
    "/terminals/99999W",
    "/terminals/99999W/doctor",
    "/cases",
    "/codes",
    "/reissues/",
    "/reissues/{reissue}",
    "/generations/",
    "/start-days/",
    "/offices/",
    "/offices/NAC001",
    "/bulletin/",
    "/mails/",
    "/mails/1",
    "/offices/NAC001/bills/",
    "/offices/NAC001/users",
    "/offices/NAC001/users/jiro",
    "/staff",
    "/staff/kato",
    "/address-changes/",
    "/password",
)
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def applied_with_item(doors: Doors) -> str:
    return file_application(doors, items=("mailboxes",), changes={"mailboxes": {"mailboxes": "2"}})


def asked_for_reissue(doors: Doors, terminal: str = TERMINAL) -> str:
    return Reissues(doors.database, doors.clock).request(terminal, ReissueReason.PC_REPLACED, HANAKO.actor).id


def test_each_deed_belongs_to_one_role(doors: Doors) -> None:
    number, reissue = applied_with_item(doors), asked_for_reissue(doors)
    for user in (REVIEW, ISSUING, SECURITY):
        visitor = doors.staff(user)
        for pattern, role in DEEDS.items():
            path = pattern.format(number=number, reissue=reissue)
            shown = visitor.get(path).status_code
            visitor.get("/")
            answered = visitor.post(path).status_code
            assert (shown == 403, answered == 403) == (user != role, user != role), f"{user} {path}"


def test_the_table_above_names_every_deed(doors: Doors) -> None:
    own = {"second_step", "factors", "sessions"}  # everybody's own log-in
    rules = [
        rule
        for rule in doors.center.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and rule.endpoint.partition(".")[0] not in own
    ]
    samples = {
        "name": "99999W",
        "number": "{number}",
        "code": "NAC001",
        "reissue_id": "{reissue}",
        "login": "jiro",
        "deed": "disable",
        "change_id": CHANGE,
        "mail_id": "1",
    }
    paths = {re.sub(r"<(?:\w+:)?(\w+)>", lambda found: samples.get(found[1], found[0]), rule.rule) for rule in rules}
    shared = {"/account/password", "/login", "/login/again", "/logout", "/language", "/password"}
    assert {path.replace("<item>", "mailboxes") for path in paths} == {*DEEDS, *shared}


def test_whatever_only_shows_something_is_open_to_all_staff(doors: Doors) -> None:
    shared = {"factors", "sessions"}  # both doors' own, `tests/webui/test_guard.py`
    for rule in doors.center.url_map.iter_rules():
        access = guard.access_of(doors.center.view_functions[rule.endpoint])
        assert access is not None
        if "POST" not in (rule.methods or ()) and access.doors and rule.endpoint.partition(".")[0] not in shared:
            assert Door.CENTER in access.doors, rule.rule
            assert not access.grants, rule.rule


def test_each_deed_is_declared_for_the_role_above(doors: Doors) -> None:
    roles = {doors.person(user).grants: user for user in (REVIEW, ISSUING, SECURITY)}
    adapter = doors.center.url_map.bind("localhost")
    for pattern, user in DEEDS.items():
        endpoint, _ = adapter.match(pattern.format(number="1", reissue="0" * 32), "POST")
        access = guard.access_of(doors.center.view_functions[endpoint])
        assert access is not None
        assert roles[frozenset(str(grant) for grant in access.grants)] == user, pattern


def test_all_staff_read_everything(doors: Doors) -> None:
    number, reissue = file_application(doors), asked_for_reissue(doors)
    for user in (REVIEW, ISSUING, SECURITY):
        visitor = doors.staff(user)
        for path in READING:
            assert visitor.get(path.format(number=number, reissue=reissue)).status_code == 200, path


def test_strangers_see_nothing(doors: Doors) -> None:
    stranger = Visitor(doors.center)
    for path in (*READING, *DEEDS):
        response = stranger.get(path.format(number="260001A", reissue="0" * 32))
        assert (response.status_code, response.location.split("?")[0]) == (303, "/login")


def test_nothing_is_done_without_a_form_of_ours(doors: Doors) -> None:
    number, reissue = applied_with_item(doors), asked_for_reissue(doors)
    with_words = {"start_date": START.isoformat(), "question": "台数は?", "reason": "理由", "answer": "理由", "step": "do"}
    for pattern, role in DEEDS.items():
        visitor = doors.staff(role)
        for token in ("", "0" * 64):
            response = visitor.post_bare(pattern.format(number=number, reissue=reissue), {**with_words, FIELD: token})
            assert response.status_code == 400, pattern
    assert "内容確認中" in doors.staff(REVIEW).get(f"/applications/{number}").text
    assert "利用中" in doors.staff(REVIEW).get("/terminals/99999W").text


@pytest.mark.parametrize("user", [REVIEW, ISSUING, SECURITY])
def test_every_page_is_told_in_english_but_for_what_people_have_typed(issuing_doors: Doors, day: Day, user: str) -> None:
    doors, visitor = issuing_doors, issuing_doors.staff(user)
    visitor.get("/")
    visitor.post("/language", {"language": "en"})
    reissue = asked_for_reissue(doors, day.issued)
    typed = typed_texts(doors)
    numbers = (day.answered, day.prepared, day.rejected)
    pages = [path.format(number=number, reissue=reissue) for path in READING for number in numbers]
    names = (day.issued, day.revoked, day.frozen, day.locked, day.suspended, day.waiting)
    pages += [f"/terminals/{name}" for name in names]
    pages += ["/applications/?tab=all", "/offices/NAC001?tab=terminals", "/offices/NAC001?tab=applications"]
    own = [path.format(number=day.approved, reissue=reissue) for path, role in DEEDS.items() if role == user]
    own += [path.replace("99999W", name) for path in own for name in names if "99999W" in path]
    for path in (*pages, *own):
        page = visitor.get(path).text
        for text in typed:
            page = page.replace(text, "")
        left = JAPANESE.findall(page)
        assert left == [], f"{path}: {''.join(left)}"


def typed_texts(doors: Doors) -> list[str]:
    """Return the Japanese that is people's, not ours: names, addresses, mails, and the switch to the other language."""
    sato = doors.staff(REVIEW)
    pages = [sato.get(path).text for path in ("/offices/NAC001", "/offices/NAC002")]
    contents = {text.strip() for page in pages for text in re.findall(r"<dd>([^<]*)</dd>", page)}
    subjects = set(re.findall(r'<a href="/mails/\d+">([^<]+)</a>', sato.get("/mails/").text))
    body = re.findall(r'<p class="lines" lang="ja">([^<]*)</p>', sato.get("/mails/1").text)
    own = {
        "日本語",
        "佐藤",
        "ナックス商事株式会社",
        "東京営業所",
        "大阪営業所",
        "通関　花子",
        "通関 花子",
        "ツウカン　ハナコ",
        "第一通関部",
        "係長",
    }
    words = {
        "端末の台数を確認してください。",
        "利用開始希望日はこれでよろしいですか。",
        "はい。",
        "備考",
        "必要な書類がありません。",
    }
    return sorted({*contents, *subjects, *body, *own, *words} - {""}, key=len, reverse=True)
