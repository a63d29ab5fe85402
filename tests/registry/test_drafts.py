import pytest

from kernel.errors import Refused
from registry.applications import Applications
from registry.drafts import Customer, Draft, Drafts, Section
from tests.registry.conftest import HANAKO, Fill
from tests.registry.racing import race

TARO = Customer("NAC001", "taro")


def typed(word: str) -> dict[str, list[str]]:
    return {"remarks": [word]}


@pytest.mark.usefixtures("office")
def test_a_user_has_one_draft_that_he_finds_again(drafts: Drafts) -> None:
    assert drafts.load(HANAKO) is None
    begun = drafts.begin(HANAKO)
    assert drafts.begin(HANAKO) == begun
    assert drafts.load(HANAKO) == begun
    assert drafts.load(TARO) is None


@pytest.mark.usefixtures("office")
def test_a_draft_keeps_what_was_typed_even_what_no_rule_would_take(drafts: Drafts) -> None:
    strange = {"remarks": ["\x00\ud800<script>", "twice"], "": []}
    draft = drafts.begin(HANAKO)
    drafts.save(HANAKO, draft.id, Section.REMARKS, strange)
    kept = drafts.load(HANAKO)
    assert kept is not None
    assert kept.section(Section.REMARKS) == strange
    assert not kept.has(Section.APPLICANT)


@pytest.mark.usefixtures("office")
def test_two_tabs_overwrite_only_the_page_that_they_show(drafts: Drafts) -> None:
    draft = drafts.begin(HANAKO)
    drafts.save(HANAKO, draft.id, Section.APPLICANT, {"phone": ["0312345678"]})
    drafts.save(HANAKO, draft.id, Section.REMARKS, typed("first"))
    latest = drafts.save(HANAKO, draft.id, Section.REMARKS, typed("second"))
    assert latest.section(Section.APPLICANT) == {"phone": ["0312345678"]}
    assert latest.section(Section.REMARKS) == typed("second")
    assert latest.version == 3


@pytest.mark.usefixtures("office")
def test_pages_that_are_saved_at_one_moment_are_all_kept(drafts: Drafts) -> None:
    draft = drafts.begin(HANAKO)
    pages = list(Section)
    race(len(pages), lambda at: drafts.save(HANAKO, draft.id, pages[at], typed(pages[at].value)))
    kept = drafts.load(HANAKO)
    assert kept is not None
    assert kept.version == len(pages)
    assert {section: kept.section(section) for section in pages} == {page: typed(page.value) for page in pages}


@pytest.mark.usefixtures("office")
def test_parts_of_one_page_that_are_revised_at_one_moment_are_all_kept(drafts: Drafts) -> None:
    draft = drafts.begin(HANAKO)
    parts = [f"class.{number:05}W" for number in range(8)]
    race(len(parts), lambda at: drafts.revise(HANAKO, draft.id, Section.TERMINALS, lambda kept: {**kept, parts[at]: ["air"]}))
    latest = drafts.load(HANAKO)
    assert latest is not None
    assert latest.section(Section.TERMINALS) == {name: ["air"] for name in parts}
    assert latest.version == len(parts)


@pytest.mark.usefixtures("office")
def test_a_draft_that_is_begun_twice_at_one_moment_is_one(drafts: Drafts) -> None:
    begun = race(8, lambda _: drafts.begin(HANAKO))
    assert len({draft.id for draft in begun if isinstance(draft, Draft)}) == 1


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize("other", [TARO, Customer("NAC002", "hanako")])
def test_nobody_reaches_anothers_draft(drafts: Drafts, other: Customer) -> None:
    draft = drafts.begin(HANAKO)
    with pytest.raises(Refused, match="draft-unknown"):
        drafts.save(other, draft.id, Section.REMARKS, typed("mine"))
    drafts.discard(other, draft.id)
    assert drafts.load(HANAKO) == draft


@pytest.mark.usefixtures("office")
def test_a_discarded_draft_is_gone(drafts: Drafts) -> None:
    draft = drafts.begin(HANAKO)
    drafts.discard(HANAKO, draft.id)
    drafts.discard(HANAKO, draft.id)
    with pytest.raises(Refused, match="draft-unknown"):
        drafts.save(HANAKO, draft.id, Section.REMARKS, typed("late"))
    assert drafts.begin(HANAKO).id != draft.id


@pytest.mark.usefixtures("office")
def test_a_draft_does_not_grow_without_limit(drafts: Drafts) -> None:
    draft = drafts.begin(HANAKO)
    with pytest.raises(Refused, match="draft-too-large"):
        drafts.save(HANAKO, draft.id, Section.REMARKS, typed("長" * 200_000))


@pytest.mark.usefixtures("terminal")
def test_a_page_that_is_saved_after_submission_is_refused(drafts: Drafts, applications: Applications, fill: Fill) -> None:
    draft = fill()
    applications.submit(HANAKO, draft.id, version=draft.version)
    with pytest.raises(Refused, match="draft-unknown"):
        drafts.save(HANAKO, draft.id, Section.REMARKS, typed("late"))


@pytest.mark.usefixtures("office")
def test_a_draft_that_never_was_is_unknown(drafts: Drafts, applications: Applications) -> None:
    for draft_id in ("", "x", "\x00", "\ud800", "0" * 32):
        with pytest.raises(Refused, match="draft-unknown"):
            drafts.save(HANAKO, draft_id, Section.REMARKS, typed("late"))
        with pytest.raises(Refused, match="draft-unknown"):
            applications.submit(HANAKO, draft_id, version=0)
        drafts.discard(HANAKO, draft_id)
