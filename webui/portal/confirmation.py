"""変更申込確認: before and after, remarks, files, and the registration, which happens once however often it is pressed.

For the correction of an application the page also shows what differs from its last version, and registering it sends it as
the answer to the center's question.
"""

import re
from dataclasses import dataclass
from typing import Any

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry import applications, calendar, proposals
from registry.applications.versions import Difference, content_of_proposal, differences, present_content
from registry.attachments import FIELD
from registry.changes import changes_company
from registry.drafts import Draft, Section
from registry.faults import Faults, Invalid
from registry.forms import FORMS
from registry.paging import SIZE
from registry.proposals import Change, Proposal
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal import sending, wizard
from webui.portal.kinds import KindBlueprint, correcting, kind
from webui.portal.parts import customer, office_code, portal
from webui.portions import anchor_of
from webui.texts import gettext, mark
from webui.words import fault_sentence

blueprint = KindBlueprint("confirmation", __name__)

# Two presses at one moment come between each other's steps: one saves the remarks or registers while the other looks.
# Looking again settles it.
_LOOKS = 3
_REMOVE = "remove."
# The lists that the page shows in parts, and the buttons that show another part.
_LISTS = frozenset({"net", "differences", *FORMS})
_PART = re.compile(r"part\.([a-z_]+)\.([0-9]{1,6})")
NO_FAULTS = Faults()


@dataclass(frozen=True)
class Form:
    """What the confirmation sent: the draft and the files that it showed, and the files that were chosen in it."""

    draft_id: str
    shown: str
    shown_files: frozenset[str]
    chosen: list[tuple[str, bytes]]


@blueprint.get("/confirm")
@guard.customer(right=Right.APPLY)
def show() -> str:
    """Show the whole application with before and after."""
    return _page()


@blueprint.post("/confirm")
@guard.customer(right=Right.APPLY, takes_files=True)
def register() -> Response:
    """Register what was shown, once, and lead to its completion page; or keep the remarks and do what was pressed."""
    pressed = flask.request.form.get("then", "")
    if wizard.goes_back():
        return wizard.to_page_before(_keep_remarks(), Section.REMARKS)
    if (turned := _PART.fullmatch(pressed)) and turned[1] in _LISTS:
        return _turn(turned[1], turned[2])
    if pressed == "attach" or pressed.startswith(_REMOVE):
        return _change_files(_keep_remarks(), pressed)
    fields = flask.request.form
    form = Form(fields.get("draft", ""), fields.get("shown", ""), frozenset(fields.getlist("file")), sending.chosen())
    try:
        return _settled(form)
    except Invalid as invalid:
        if all(fault.field == FIELD for fault in invalid.faults):
            return flask.make_response(_page(invalid.faults), 422)
        # The world has moved on: another application holds a terminal, or the date has passed.
        flask.flash(gettext(mark("確認中に状況が変わりました。内容を見直してください。")), "warn")
        return flask.redirect(wizard.address(wizard.progress().first_open(), anchor="faults"), 303)


@blueprint.get("/done/<string(length=7):receipt_number>")
@guard.customer(right=Right.APPLY)
def done(receipt_number: str) -> str:
    """Tell the receipt number."""
    with doorway().parts.database.snapshot() as session:
        detail = applications.detail(session, receipt_number, office_code=office_code())
    if detail is None:
        flask.abort(404)
    return flask.render_template("apply-done.html", steps=wizard.steps(), application=detail.application)


def _page(file_faults: Faults = NO_FAULTS) -> str:
    present = wizard.at(Section.REMARKS)
    # Faulty remarks are shown beside their field, on this very page.
    proposal = proposals.read(present.without(Section.REMARKS), present.situation)
    if isinstance(proposal, Faults):
        flask.abort(flask.redirect(wizard.address(present.first_open()), 303))
    sheet, lines = present.sheet(Section.REMARKS), proposals.lines(proposal.terminals, present.situation.terminals)
    # Of many terminals those that stay are counted, not listed.
    unchanged = sum(line.change is Change.KEEP for line in lines) if len(lines) > SIZE else 0
    if told := [fault_sentence(fault) for fault in file_faults]:
        sheet = sheet.with_faults({**sheet.faults, FIELD: " ".join(told)})
    return flask.render_template(
        "apply-confirm.html",
        present=present,
        steps=wizard.steps(),
        proposal=proposal,
        lines=[line for line in lines if line.change is not Change.KEEP] if unchanged else lines,
        unchanged=unchanged,
        warnings=calendar.warnings(proposal.choice.wished_start, present.situation.today, present.situation.published),
        sheet=sheet,
        edit={str(section): wizard.address(section) for section in present.pages()},
        siblings=present.situation.siblings if any(map(changes_company, proposal.changes)) else {},
        correcting=correcting(),
        corrected=_corrected(present.draft, proposal),
        remaining=len(present.situation.terminals) if "termination" in proposal.choice.items else 0,
        **sending.facts(portal().attachments.of_draft(present.draft.id)),
    )


def _corrected(draft: Draft, proposal: Proposal) -> tuple[Difference, ...]:
    """Return what a correction changes; its remarks are still being typed."""
    if not draft.receipt_number:
        return ()
    with doorway().parts.database.snapshot() as session:
        before = present_content(session, draft.receipt_number)
    return tuple(one for one in differences(before, content_of_proposal(proposal)) if one.place != "remarks")


def _keep_remarks() -> wizard.Progress:
    return wizard.save(wizard.at(Section.REMARKS), Section.REMARKS, _typed())


def _typed() -> dict[str, list[str]]:
    return dict(wizard.typed_form("remarks", *(("answer",) if correcting() else ())))


def _change_files(present: wizard.Progress, pressed: str) -> Response:
    try:
        if pressed.startswith(_REMOVE):
            portal().attachments.detach(customer(), present.draft.id, pressed.removeprefix(_REMOVE))
        else:
            portal().attachments.attach(customer(), present.draft.id, sending.chosen_some())
    except Invalid as invalid:
        return flask.make_response(_page(invalid.faults), 422)
    return flask.redirect(flask.url_for("confirmation.show", _anchor="attachments"), 303)


def _turn(name: str, number: str) -> Response:
    """Show another part of a list; what was typed and chosen is kept."""
    present = _keep_remarks()
    if chosen := sending.chosen():
        try:
            portal().attachments.attach(customer(), present.draft.id, chosen)
        except Invalid as invalid:
            return flask.make_response(_page(invalid.faults), 422)
    asked: dict[str, Any] = {name: int(number)}
    return flask.redirect(flask.url_for("confirmation.show", _anchor=anchor_of(name), **asked), 303)


def _settled(form: Form) -> Response:
    code = ""
    for _ in range(_LOOKS):
        try:
            return _register(form)
        except Refused as refused:
            code = refused.code
            if code == "application-state" and correcting():
                return wizard.to_application()
            if code not in {"draft-stale", "draft-unknown"}:
                raise
    if code == "draft-unknown":
        flask.flash(gettext(mark("この申込は、すでに破棄されています。")), "warn")
        return flask.redirect(flask.url_for("apply.guidance"), 303)
    return _show_again()


def _register(form: Form) -> Response:
    deeds, parts = portal().corrections if correcting() else portal().applications, portal()
    draft = parts.drafts.load(customer(), kind(), correcting())
    if draft is None or draft.id != form.draft_id:
        # Registered already (then this is its number), or discarded.
        return _to_completion(deeds.submit(customer(), form.draft_id, version=0))
    # What was typed and chosen here is kept first, whatever is found of the other pages below.
    if dict(draft.section(Section.REMARKS)) != _typed():
        draft = parts.drafts.save(customer(), draft.id, Section.REMARKS, _typed())
    sent = parts.attachments.attach(customer(), draft.id, form.chosen) if form.chosen else ()
    if sent:
        draft = parts.drafts.load(customer(), kind(), correcting()) or draft
    # Whatever comes after this look raises the draft's version, and then nothing is registered.
    present, files = wizard.progress_of(draft), {one.id for one in parts.attachments.of_draft(draft.id)}
    if present.fingerprint() != form.shown or files != form.shown_files | {one.id for one in sent}:
        return _show_again()
    if present.faults(Section.REMARKS):
        return flask.redirect(flask.url_for("confirmation.show", _anchor="faults"), 303)
    return _to_completion(deeds.submit(customer(), draft.id, version=draft.version))


def _to_completion(receipt_number: str) -> Response:
    if correcting():
        flask.flash(mark("修正した申込を、回答として送信しました。審査結果のお知らせをお待ちください。"))
        return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
    return flask.redirect(flask.url_for("confirmation.done", receipt_number=receipt_number), 303)


def _show_again() -> Response:
    flask.flash(gettext(mark("別の画面で申込内容が変更されました。もう一度確認してください。")), "warn")
    return flask.redirect(flask.url_for("confirmation.show"), 303)
