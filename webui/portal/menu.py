"""The menu with the latest news, and all news."""

import flask

from kernel import outbox
from registry import news
from registry.news import NewsKind
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal import news as lines
from webui.portal import renewals
from webui.portal.parts import customer, office_code, portal

blueprint = flask.Blueprint("menu", __name__)

_PAGE = 20


@blueprint.get("/")
@guard.customer()
def show() -> str:
    """Show the latest news and what there is to do."""
    now = doorway().parts.clock.now()
    with doorway().parts.database.snapshot() as session:
        latest = news.latest(session, office_code())
        ending = renewals.banner(session)
        failing = outbox.failing_addresses(session, office_code(), now=now) if guard.person().may(Right.USERS) else ()
    draft = portal().drafts.load(customer())
    return flask.render_template("menu.html", news=latest, lines=lines, draft=draft, failing=failing, ending=ending)


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
    asked = {"kind": kind.value if kind else "", "number": number}
    return flask.render_template("news.html", found=found, lines=lines, asked=asked)
