"""The menu with the latest news, and all news."""

import flask
from werkzeug.wrappers import Response

from kernel import outbox
from registry import bulletin, drafts, news
from registry.news import NewsKind
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.news_marks import NewsMarks, latest_unread, reader_of, unread
from webui.portal import news as lines
from webui.portal import next_steps, renewals
from webui.portal.kinds import NAMES
from webui.portal.parts import customer, office_code
from webui.texts import gettext

blueprint = flask.Blueprint("menu", __name__)

_PAGE = 20
# So many unread lines are counted at most.
_COUNTED = 100
# No line has a greater number: what the databases hold.
_GREATEST = 2**63 - 1


@blueprint.get("/")
@guard.customer()
def show() -> str:
    """Show the latest news and what there is to do."""
    now = doorway().parts.clock.now()
    with doorway().parts.database.snapshot() as session:
        recent = news.latest(session, office_code())
        fresh = latest_unread(session, reader_of(session, guard.person()), office_code(), most=_COUNTED)
        urgent = bulletin.urgent(session, now)
        steps = next_steps.of_office(session, office_code(), guard.person(), now)
        ending = renewals.banner(session)
        failing = outbox.failing_addresses(session, office_code(), now=now) if guard.person().may(Right.USERS) else ()
        begun = drafts.all_of(session, customer())
    return flask.render_template(
        "menu.html",
        news=recent,
        fresh=fresh,
        newest=recent[0].id if recent else 0,
        lines=lines,
        drafts=[(gettext(NAMES[draft.kind]), draft) for draft in begun],
        failing=failing,
        ending=ending,
        steps=steps,
        urgent=urgent,
    )


@blueprint.get("/news")
@guard.customer()
def older() -> str:
    """Show all news of the office, by kind and receipt number, page by page."""
    query = flask.request.args
    kind = NewsKind(query["kind"]) if query.get("kind") in tuple(NewsKind) else None
    number = query.get("number", "")
    with doorway().parts.database.snapshot() as session:
        found = news.search(
            session, office_code(), kind=kind, receipt_number=number, page=query.get("page", 1, type=int), size=_PAGE
        )
        fresh = unread(session, reader_of(session, guard.person()), found.records)
    asked = {"kind": kind.value if kind else "", "number": number}
    return flask.render_template("news.html", found=found, lines=lines, asked=asked, fresh=fresh)


@blueprint.post("/news/<int(max=9223372036854775807):news_id>")
@guard.customer()
def read(news_id: int) -> Response:
    """Mark a line as read and lead to its details."""
    with doorway().parts.database.snapshot() as session:
        line = news.find(session, office_code(), news_id) or flask.abort(404)
    NewsMarks(doorway().parts.database).read(guard.person().account_id, line.id)
    return flask.redirect(lines.address(line), 303)


@blueprint.post("/news/read")
@guard.customer()
def read_all() -> Response:
    """Mark all lines as read that stood on the menu or before it."""
    typed = flask.request.form.get("up_to", "")
    up_to = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= len(str(_GREATEST)) else 0
    with doorway().parts.database.snapshot() as session:
        # A line of this office, or nothing: a number from elsewhere would hide what has not come yet.
        line = news.find(session, office_code(), min(up_to, _GREATEST)) or flask.abort(400)
    NewsMarks(doorway().parts.database).read_all(guard.person().account_id, line.id)
    return flask.redirect(flask.url_for("menu.show"), 303)
