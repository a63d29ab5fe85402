"""お知らせメール: what was mailed to the office, as it was written, and what could not be delivered.

Everybody of the office sees its mails. Those about a user's own log-in only that user does, and the administrator.
"""

import flask

from kernel import outbox
from kernel.outbox import MailState, Wanted
from registry.japanese import searchable
from webui import guard
from webui.accounts.links import without_links
from webui.doorway import doorway
from webui.mail_words import STATES, label_of, parts_of
from webui.portal.parts import office_code

blueprint = flask.Blueprint("mails", __name__, url_prefix="/mails")

_PAGE = 30
# A database's largest integer.
_LAST_ID = 2**63 - 1
_MOST_PAGES = 1_000_000


@blueprint.get("/")
@guard.customer()
def listed() -> str:
    """Show mails, newest first, by state and by what they say."""
    query = flask.request.args
    state = MailState(query["state"]) if query.get("state") in tuple(MailState) else None
    text = query.get("q", "").strip()
    wanted = _visible(state, searchable(text))
    with doorway().parts.database.snapshot() as session:
        total = outbox.count(session, wanted)
        pages = max(1, -(-total // _PAGE))
        page = min(max(1, min(query.get("page", 1, type=int), _MOST_PAGES)), pages)
        found = outbox.search(session, wanted, first=(page - 1) * _PAGE, most=_PAGE)
    return flask.render_template(
        "mails.html",
        found=found,
        total=total,
        page=page,
        pages=pages,
        asked={"state": state.value if state else "", "q": text},
        states=STATES,
        label=label_of,
        sees_all=guard.person().is_administrator,
    )


@blueprint.get("/<int:mail_id>")
@guard.customer()
def show(mail_id: int) -> str:
    """Show one mail without the one-time links in it, and what to do when it did not arrive."""
    with doorway().parts.database.snapshot() as session:
        mail = outbox.get(session, mail_id) if mail_id <= _LAST_ID else None
    wanted = _visible(None, "")
    if mail is None or mail.office_code != wanted.office_code:
        flask.abort(404)
    if wanted.reader and mail.is_personal and mail.recipient.lower() != wanted.reader.lower():
        flask.abort(404)
    return flask.render_template("mail.html", mail=mail, letter=parts_of(without_links(mail.body)), label=label_of(mail))


def _visible(state: MailState | None, text: str) -> Wanted:
    """Return which mails the present visitor may see."""
    person = guard.person()
    return Wanted(office_code(), state, text, reader="" if person.is_administrator else person.mail)
