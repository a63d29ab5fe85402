"""The application in the making: what was typed so far, how far that carries, and which page comes next.

Each page saves what it holds as typed, faulty or not, and redirects: to the next page, or back to itself, which then
shows the faults. So Back, reload, the language switch and leaving for lunch lose nothing.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import flask
from werkzeug.wrappers import Response

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import proposals
from registry.applicants import check_contact
from registry.drafts import Draft, Section
from registry.faults import Faults, Typed, first
from registry.items import OF_KIND, Choice
from registry.proposals import Situation
from webui.doorway import doorway
from webui.portal.kinds import correcting, is_open, kind
from webui.portal.parts import customer, office_code, portal
from webui.sheet import Sheet
from webui.texts import gettext, mark
from webui.words import fault_sentence

STEPS = (
    mark("契約内容の確認"),
    mark("変更項目の選択"),
    mark("申込担当者"),
    mark("変更情報の入力"),
    mark("確認"),
    mark("完了"),
)
# What the second step is where there is nothing to choose.
_DATE_ONLY = mark("利用開始希望日")
_NOT_OPEN = mark("この申込は、今は修正できません。現在の内容を確認してください。")
# Of the pages that are no item's but the terminals.
_ENDPOINTS = {
    Section.CHOICE: "apply.items",
    Section.APPLICANT: "apply.applicant",
    Section.TERMINALS: "apply.terminals",
    Section.REMARKS: "confirmation.show",
}


@dataclass(frozen=True)
class Progress:
    """A draft, and what its office's situation makes of it. `choice` is none while the first page is not right."""

    draft: Draft
    situation: Situation
    choice: Choice | None
    # By section: a page asks several times, and some have thousands of rows.
    _found: dict[str, Faults] = field(default_factory=dict, init=False, repr=False, compare=False)

    def pages(self) -> tuple[str, ...]:
        """Return the pages that the ticked items lead to, in order; the last one is the confirmation."""
        if self.choice is None:
            return (Section.CHOICE,)
        return (Section.CHOICE, Section.APPLICANT, *proposals.sections(self.choice))

    def faults(self, section: str) -> Faults:
        """Return what is wrong with a page."""
        if section not in self._found:
            self._found[section] = self._check(section)
        return self._found[section]

    def fingerprint(self) -> str:
        """Return a hash of all pages but the remarks, which the confirmation itself may still change."""
        pages = {str(name): dict(typed) for name, typed in self.draft.sections.items() if name != Section.REMARKS}
        return hashlib.sha256(json.dumps(pages, sort_keys=True).encode()).hexdigest()

    def without(self, section: str) -> Draft:
        """Return the draft without one of its pages."""
        return replace(self.draft, sections={name: typed for name, typed in self.draft.sections.items() if name != section})

    def first_open(self) -> str:
        """Return the first page that still needs the customer."""
        return next((page for page in self.pages() if self.faults(page)), self.pages()[-1])

    def before(self, section: str) -> str | None:
        """Return the page before a page; none before the first."""
        pages = self.pages()
        position = pages.index(section) if section in pages else 0
        return pages[position - 1] if position else None

    def after(self, section: str) -> str:
        """Return the page after a page."""
        pages = self.pages()
        return pages[pages.index(section) + 1]

    def sheet(self, section: str, prefilled: Typed | None = None) -> Sheet:
        """Return what a page shows: what was typed with its faults, or what it is prefilled with."""
        if not self.draft.has(section):
            return sheet_of(prefilled or {})
        return sheet_of(self.draft.section(section), self.faults(section))

    def _check(self, section: str) -> Faults:
        typed = self.draft.section(section)
        match section:
            case Section.CHOICE:
                return _faults(proposals.choice_of(self.draft, self.situation))
            case Section.APPLICANT:
                return _faults(check_contact(typed))
            case Section.TERMINALS:
                return _faults(proposals.check_terminals(typed, self.situation))
            case Section.REMARKS:
                return Faults((*_faults(proposals.check_remarks(typed)), *_faults(proposals.check_answer(typed))))
            case item if self.choice:
                return _faults(proposals.check_change(item, self.draft, self.choice, self.situation))
            case _:
                return Faults()


def progress() -> Progress:
    """Return the customer's application in the making; without one, lead to the guidance page."""
    require_open()
    draft = portal().drafts.load(customer(), kind(), correcting())
    if draft is None:
        flask.abort(flask.redirect(flask.url_for("apply.guidance"), 303))
    return progress_of(draft)


def require_open() -> None:
    """Lead from a correction that came too late, or was sent already, to its application."""
    if not is_open():
        flask.abort(to_application())


def to_application() -> Response:
    """Lead to the application that can not be corrected now, and say so."""
    flask.flash(gettext(_NOT_OPEN), "warn")
    return flask.redirect(flask.url_for("applications.show", receipt_number=correcting()), 303)


def progress_of(draft: Draft) -> Progress:
    """Return what a draft has come to."""
    with doorway().parts.database.snapshot() as session:
        situation = proposals.situation(session, office_code(), today(), correcting=draft.receipt_number, sections=draft.sections)
    choice = proposals.choice_of(draft, situation)
    return Progress(draft, situation, None if isinstance(choice, Faults) else choice)


def at(section: str) -> Progress:
    """Return the application in the making for one of its pages; when an earlier page is not right yet, lead there."""
    present = progress()
    pages = present.pages()
    open_page = present.first_open()
    if section not in pages or pages.index(open_page) < pages.index(section):
        flask.abort(flask.redirect(address(open_page), 303))
    return present


def save(present: Progress, section: str, typed: Typed) -> Progress:
    """Keep a page as typed; when the draft was submitted or discarded in another window, lead to the guidance page."""
    return revise(present, section, lambda _: typed)


def revise(present: Progress, section: str, revised: Callable[[Typed], Typed]) -> Progress:
    """Keep what becomes of a page, as `save` does: `revised` makes it of what stands there."""
    try:
        portal().drafts.revise(customer(), present.draft.id, section, revised)
    except Refused as refused:
        if refused.code != "draft-unknown":
            raise
        flask.abort(flask.redirect(flask.url_for("apply.guidance"), 303))
    return progress()


def go_on(present: Progress, section: str) -> Response:
    """Lead on from a saved page: to the one before when that was pressed, right or not; back to it when it has faults.

    Else to the page after it, or to the confirmation when that was pressed.
    """
    if goes_back():
        return to_page_before(present, section)
    if section not in present.pages() or present.faults(section):
        return flask.redirect(address(section, anchor="faults"), 303)
    if flask.request.form.get("then") == "confirm":
        return flask.redirect(address(present.first_open()), 303)
    return flask.redirect(address(present.after(section)), 303)


def address(section: str, *, anchor: str | None = None, **asked: Any) -> str:  # noqa: ANN401 (what `url_for` takes)
    """Return where a page is; what is asked for of it becomes parameters."""
    if section in _ENDPOINTS:
        return flask.url_for(_ENDPOINTS[Section(section)], _anchor=anchor, **asked)
    return flask.url_for("item_pages.show", item=section, _anchor=anchor, **asked)


def goes_back() -> bool:
    """Return whether the button that leads to the page before was pressed."""
    return flask.request.form.get("then") == "back"


def to_page_before(present: Progress, section: str) -> Response:
    """Lead to the page before one; before the first comes the guidance."""
    before = present.before(section)
    return flask.redirect(address(before) if before else flask.url_for("apply.guidance"), 303)


def typed_form(*names: str) -> Typed:
    """Return the named fields of the sent form, as typed; a field that was not sent is empty."""
    return {name: flask.request.form.getlist(name) for name in names}


def sheet_of(typed: Typed, faults: Faults | None = None) -> Sheet:
    """Return a page's texts and its faults in the reader's language; the first fault of a field counts."""
    sentences: dict[str, str] = {}
    for fault in faults or ():
        sentences.setdefault(fault.field, fault_sentence(fault))
    return Sheet({name: first(typed, name) for name in typed}, sentences)


def steps() -> list[str]:
    """Return the steps' names in the reader's language."""
    only_one = kind() in OF_KIND
    return [gettext(_DATE_ONLY if only_one and step == STEPS[1] else step) for step in STEPS]


def today() -> date:
    """Return the day in Tokyo."""
    return tokyo_date(doorway().parts.clock.now())


def _faults(checked: object) -> Faults:
    return checked if isinstance(checked, Faults) else Faults()
