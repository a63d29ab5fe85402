"""変更申込確認: before and after, remarks, and the registration, which happens once however often it is pressed."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry import applications, calendar, proposals
from registry.changes import changes_company
from registry.drafts import Section
from registry.faults import Faults, Invalid
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal import wizard
from webui.portal.kinds import KindBlueprint, kind
from webui.portal.parts import customer, office_code, portal
from webui.texts import gettext, mark

blueprint = KindBlueprint("confirmation", __name__)

# Two presses at one moment come between each other's steps: one saves the remarks or registers while the other looks.
# Looking again settles it.
_LOOKS = 3


@blueprint.get("/confirm")
@guard.customer(right=Right.APPLY)
def show() -> str:
    """Show the whole application with before and after."""
    present = wizard.at(Section.REMARKS)
    # Faulty remarks are shown beside their field, on this very page.
    proposal = proposals.read(present.without(Section.REMARKS), present.situation)
    if isinstance(proposal, Faults):
        flask.abort(flask.redirect(wizard.address(present.first_open()), 303))
    return flask.render_template(
        "apply-confirm.html",
        present=present,
        steps=wizard.steps(),
        proposal=proposal,
        lines=proposals.lines(proposal.terminals, present.situation.terminals),
        warnings=calendar.warnings(proposal.choice.wished_start, present.situation.today),
        sheet=present.sheet(Section.REMARKS),
        edit={str(section): wizard.address(section) for section in present.pages()},
        siblings=present.situation.siblings if any(map(changes_company, proposal.changes)) else {},
    )


@blueprint.post("/confirm")
@guard.customer(right=Right.APPLY)
def register() -> Response:
    """Register the application that was shown, once, and lead to its completion page; or keep the remarks and go back."""
    if wizard.goes_back():
        present = wizard.save(wizard.at(Section.REMARKS), Section.REMARKS, wizard.typed_form("remarks"))
        return wizard.to_page_before(present, Section.REMARKS)
    draft_id, shown = flask.request.form.get("draft", ""), flask.request.form.get("shown", "")
    code = ""
    for _ in range(_LOOKS):
        try:
            return _register(draft_id, shown)
        except Invalid:
            # The world has moved on: another application holds a terminal, or the date has passed.
            flask.flash(gettext(mark("確認中に状況が変わりました。内容を見直してください。")), "warn")
            return flask.redirect(wizard.address(wizard.progress().first_open(), anchor="faults"), 303)
        except Refused as refused:
            code = refused.code
            if code not in {"draft-stale", "draft-unknown"}:
                raise
    if code == "draft-unknown":
        flask.flash(gettext(mark("この申込は、すでに破棄されています。")), "warn")
        return flask.redirect(flask.url_for("apply.guidance"), 303)
    return _show_again()


@blueprint.get("/done/<string(length=7):receipt_number>")
@guard.customer(right=Right.APPLY)
def done(receipt_number: str) -> str:
    """Tell the receipt number."""
    with doorway().parts.database.snapshot() as session:
        detail = applications.detail(session, receipt_number, office_code=office_code())
    if detail is None:
        flask.abort(404)
    return flask.render_template("apply-done.html", steps=wizard.steps(), application=detail.application)


def _register(draft_id: str, shown: str) -> Response:
    draft = portal().drafts.load(customer(), kind())
    if draft is None or draft.id != draft_id:
        # Registered already (then this is its number), or discarded.
        return _to_completion(portal().applications.submit(customer(), draft_id, version=0))
    present = wizard.progress_of(draft)
    if present.fingerprint() != shown:
        return _show_again()
    typed = wizard.typed_form("remarks")
    if dict(present.draft.section(Section.REMARKS)) != dict(typed):
        present = wizard.progress_of(portal().drafts.save(customer(), draft_id, Section.REMARKS, typed))
    if present.faults(Section.REMARKS):
        return flask.redirect(flask.url_for("confirmation.show", _anchor="faults"), 303)
    return _to_completion(portal().applications.submit(customer(), draft_id, version=present.draft.version))


def _to_completion(receipt_number: str) -> Response:
    return flask.redirect(flask.url_for("confirmation.done", receipt_number=receipt_number), 303)


def _show_again() -> Response:
    flask.flash(gettext(mark("別の画面で申込内容が変更されました。もう一度確認してください。")), "warn")
    return flask.redirect(flask.url_for("confirmation.show"), 303)
