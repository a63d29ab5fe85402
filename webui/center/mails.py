"""Mails: what left, what waits, and what nobody could be given."""

from collections.abc import Mapping

import flask

from kernel import outbox
from kernel.outbox import MailState, MailView, Wanted
from webui import guard
from webui.center import listing
from webui.doorway import doorway
from webui.texts import mark
from webui.words import Label

blueprint = flask.Blueprint("mails", __name__, url_prefix="/mails")

_PAGE = 50
# A database's largest integer.
_LAST_ID = 2**63 - 1
STATES: Mapping[MailState, Label] = {
    MailState.FAILED: Label(mark("送信できず"), "bad"),
    MailState.WAITING: Label(mark("送信待ち"), "info"),
    MailState.SENT: Label(mark("送信済み"), "good"),
}
_RETRYING = Label(mark("再送待ち"), "warn")


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show mails, newest first: of an office, in a state, about an application."""
    state = listing.chosen("state", tuple(MailState))
    office_code, number = listing.searched("office").upper(), listing.searched("number").upper()
    wanted = Wanted(office_code=office_code, state=MailState(state) if state else None, mentioning=number)
    with doorway().parts.database.snapshot() as session:
        total = outbox.count(session, wanted)
        pages = listing.pages_of(total, _PAGE)
        page = min(listing.page_number(), pages)
        found = outbox.search(session, wanted, first=(page - 1) * _PAGE, most=_PAGE)
    return flask.render_template(
        "mails.html",
        found=found,
        pager=listing.pager(page, pages, total),
        asked={"office": office_code, "number": number, "state": state},
        states=STATES,
        label=label_of,
    )


@blueprint.get("/<int:mail_id>")
@guard.staff()
def show(mail_id: int) -> str:
    """Show one mail as it was written; mails carry no codes."""
    with doorway().parts.database.snapshot() as session:
        mail = outbox.get(session, mail_id) if mail_id <= _LAST_ID else None
    if mail is None:
        flask.abort(404)
    return flask.render_template("mail.html", mail=mail, label=label_of(mail))


def label_of(mail: MailView) -> Label:
    """Return a mail's state in words; one that failed once and is tried again says so."""
    if mail.state is MailState.WAITING and mail.last_error:
        return _RETRYING
    return STATES[mail.state]
