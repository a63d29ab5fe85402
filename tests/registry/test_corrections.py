"""An answer that corrects the application: it begins with what was applied for, and what stood there before is kept."""

from dataclasses import replace
from datetime import date

import pytest

from kernel.database import Database
from kernel.errors import Refused
from registry import proposals
from registry.applications import Applications, Corrections, Review
from registry.applications.versions import Difference, content_of_proposal
from registry.drafts import Customer, Drafts, Section
from registry.faults import Faults, Invalid
from registry.states import ApplicationState, SystemClass
from tests.registry.conftest import APPLICANT, HANAKO, SATO, START, File
from tests.registry.reading import deeds, page, told
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")
TARO = Customer("NAC001", "taro")
ITEMS = ("terminals", "names", "id_numbers", "businesses")
PAGES = {
    "terminals": {"add.net.sea": ["2"], "class.99999W": ["air"]},
    "changes": {
        "names": {"office_name": ["新しい名前"], "office_fax": [""]},
        "id_numbers": {"new1.user_code": ["NAC01"], "new1.id_number": ["002"]},
        "businesses": {"new1.system_class": ["air"], "new1.business": ["混載業"], "sea-通関業.delete": ["yes"]},
    },
}


@pytest.fixture
def corrections(database: Database, clock: SettableClock) -> Corrections:
    """Return the use cases."""
    return Corrections(database, clock)


@pytest.fixture
def queried(file: File, review: Review) -> str:
    """Return the number of an application with an open question."""
    number = file(items=ITEMS, **PAGES)
    review.query(number, "台数をご確認ください。", actor=SATO)
    return number


def test_a_correction_begins_with_what_was_applied_for(
    corrections: Corrections, database: Database, queried: str, drafts: Drafts
) -> None:
    draft = corrections.begin(HANAKO, queried)
    assert (draft.receipt_number, draft.base_version) == (queried, 1)
    with database.snapshot() as session:
        situation = proposals.situation(session, "NAC001", date(2026, 11, 24), correcting=queried)
        assert proposals.situation(session, "NAC001", date(2026, 11, 24)).busy == {"99999W": queried}
    proposal = proposals.read(draft, situation)
    assert not isinstance(proposal, Faults)
    content = content_of_proposal(proposal)
    assert (content.items, content.applicant, content.remarks) == (
        ("names", "businesses", "id_numbers", "terminals"),
        APPLICANT,
        "よろしく",
    )
    assert (content.additions, content.terminals) == ({"net.sea": 2}, {"99999W": "air"})
    assert [change.item for change in content.changes] == ["names", "businesses", "id_numbers"]
    assert corrections.submit(HANAKO, draft.id, version=0) == queried
    assert page(database, queried).revisions[0].differences == ()
    assert drafts.all_of(HANAKO) == ()


def test_the_number_stays_and_both_versions_are_told(
    corrections: Corrections, database: Database, queried: str, drafts: Drafts
) -> None:
    draft = corrections.begin(HANAKO, queried)
    assert corrections.begin(HANAKO, queried).id == draft.id
    drafts.save(HANAKO, draft.id, Section.TERMINALS, {"add.net.sea": ["3"], "add.web.air": ["1"], "abolish": ["99999W"]})
    names = {**draft.section("names"), "office_name": ["別の名前"], "office_fax": ["0322220001"]}
    drafts.save(HANAKO, draft.id, "names", names)
    last = drafts.save(HANAKO, draft.id, Section.REMARKS, {"remarks": [""], "answer": ["3台です。"]})
    assert corrections.submit(HANAKO, draft.id, version=last.version) == queried
    assert corrections.submit(HANAKO, draft.id, version=0) == queried  # pressed again
    shown = page(database, queried)
    assert (shown.application.state, shown.application.version) == (ApplicationState.APPLIED, 2)
    assert (shown.queries[0].answer, shown.queries[0].version) == ("3台です。", 2)
    assert [(line.change, line.after, line.count) for line in shown.lines] == [
        ("add", SystemClass.SEA, 3),
        ("add", SystemClass.AIR, 1),
        ("abolish", None, 1),
    ]
    (revision,) = shown.revisions
    assert (revision.version, revision.made_by) == (2, "customer:NAC001/hanako")
    assert set(revision.differences) == {
        Difference("terminals", "net.sea", "count", "2", "3"),
        Difference("terminals", "web.air", "count", "", "1"),
        Difference("terminals", "99999W", "becomes", "air", "abolish"),
        Difference("names", "", "office_name", "新しい名前", "別の名前"),
        Difference("names", "", "office_fax", "", "0322220001"),
        Difference("remarks", "", "remarks", "よろしく", ""),
    }
    assert deeds(database)[-1] == ("customer:NAC001/hanako", "application.correct", f"application:{queried}")
    assert ("application-corrected", f"application:{queried}") in told(database)


def test_each_correction_is_kept(
    corrections: Corrections, review: Review, database: Database, queried: str, drafts: Drafts
) -> None:
    for count in ("4", "5"):
        draft = corrections.begin(HANAKO, queried)
        last = drafts.save(HANAKO, draft.id, Section.TERMINALS, {**draft.section(Section.TERMINALS), "add.net.sea": [count]})
        corrections.submit(HANAKO, draft.id, version=last.version)
        review.query(queried, "もう一度ご確認ください。", actor=SATO)
    found = page(database, queried).revisions
    assert [(one.version, one.differences[0].before, one.differences[0].after) for one in found] == [(3, "4", "5"), (2, "2", "4")]


def test_only_an_open_question_lets_the_own_office_correct(
    corrections: Corrections, applications: Applications, file: File, queried: str
) -> None:
    with pytest.raises(Refused, match="application-unknown"):
        corrections.begin(Customer("NAC002", "hanako"), queried)
    draft = corrections.begin(HANAKO, queried)
    with pytest.raises(Refused, match="draft-unknown"):
        corrections.submit(TARO, draft.id, version=0)
    with pytest.raises(Refused, match="draft-stale"):
        corrections.submit(HANAKO, draft.id, version=7)
    applications.answer(HANAKO, queried, "このままお願いします。")
    with pytest.raises(Refused, match="application-state"):
        corrections.submit(HANAKO, draft.id, version=0)
    with pytest.raises(Refused, match="application-state"):
        corrections.begin(HANAKO, queried)
    assert file(items=("price_plan",), changes={"price_plan": {"price_plan": ["B"]}}) != queried


def test_of_two_users_the_first_one_corrects(corrections: Corrections, review: Review, database: Database, queried: str) -> None:
    mine, theirs = corrections.begin(HANAKO, queried), corrections.begin(TARO, queried)
    corrections.submit(TARO, theirs.id, version=0)
    review.query(queried, "もう一度ご確認ください。", actor=SATO)
    with pytest.raises(Refused, match="application-corrected"):
        corrections.submit(HANAKO, mine.id, version=0)
    again = corrections.begin(HANAKO, queried)
    assert (again.id != mine.id, again.base_version) == (True, 2)
    assert page(database, queried).application.version == 2


def test_a_correction_is_checked_like_an_application(corrections: Corrections, queried: str, drafts: Drafts) -> None:
    draft = corrections.begin(HANAKO, queried)
    drafts.save(HANAKO, draft.id, Section.REMARKS, {"remarks": [""], "answer": ["\u200b"]})
    last = drafts.save(HANAKO, draft.id, Section.CHOICE, {"items": ["terminals"], "wished_start": ["20200101"]})
    with pytest.raises(Invalid) as refused:
        corrections.submit(HANAKO, draft.id, version=last.version)
    assert [(fault.field, fault.code) for fault in refused.value.faults] == [
        ("choice.wished_start", "date-past"),
        ("answer", "character"),
    ]


def test_only_the_version_that_was_read_is_approved(
    corrections: Corrections, review: Review, queried: str, database: Database
) -> None:
    corrections.submit(HANAKO, corrections.begin(HANAKO, queried).id, version=0)
    with pytest.raises(Refused, match="application-corrected"):
        review.approve(queried, START, approver=SATO, version=1)
    assert review.approve(queried, START, approver=SATO, version=2).start_date == START
    assert page(database, queried).application.applicant == replace(APPLICANT)
