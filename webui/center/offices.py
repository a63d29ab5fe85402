"""Offices as staff read them; nothing here changes anything."""

from collections.abc import Callable, Mapping

import flask
from sqlalchemy.orm import Session

from enrollment import disclosure as disclosures
from enrollment.credentials import of_terminals
from kernel import outbox
from kernel.outbox import MailState
from registry import applications, contracts, offices, terminals
from webui import guard
from webui.accounts import Role
from webui.center import listing
from webui.center.disclosing import DISCLOSURES
from webui.doorway import doorway
from webui.texts import mark

blueprint = flask.Blueprint("offices", __name__, url_prefix="/offices")

_PAGE = 30
TABS = {"contract": mark("契約内容"), "terminals": mark("論理端末"), "applications": mark("申込")}


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show offices by code: those whose code begins with what was typed, or whose name holds it."""
    text = listing.searched()
    with doorway().parts.database.snapshot() as session:
        found = offices.search(session, text, page=listing.page_number(), size=_PAGE)
    return flask.render_template("offices.html", found=found, pager=listing.pager_of(found), text=text)


@blueprint.get("/<code>")
@guard.staff()
def show(code: str) -> str:
    """Show an office: its contract, its terminals, or its applications. Of the other tabs only the counts are read."""
    tab = listing.chosen("tab", tuple(TABS), "contract")
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, code)
        if office is None:
            flask.abort(404)
        facts = _FACTS[tab](session, code)
        totals = {
            "terminals": terminals.count_of_office(session, code),
            "applications": applications.count_of_office(session, code),
        }
        failed = outbox.count(session, outbox.Wanted(office_code=code, state=MailState.FAILED))
    return flask.render_template(
        "office.html",
        office=office,
        failed_mails=failed,
        totals=totals,
        tab=tab,
        tabs=TABS,
        now=doorway().parts.clock.now(),
        **facts,
    )


def _contract(session: Session, code: str) -> Mapping[str, object]:
    return {
        "contract": contracts.get(session, code),
        "disclosure": disclosures.of_office(session, code),
        "DISCLOSURES": DISCLOSURES,
        "Role": Role,
    }


def _terminals(session: Session, code: str) -> Mapping[str, object]:
    own = terminals.of_office(session, code, page=listing.page_number(), size=_PAGE, abolished=True)
    current = of_terminals(session, [terminal.name for terminal in own.records])
    return {"terminals": own, "current": current, "pager": listing.pager_of(own)}


def _applications(session: Session, code: str) -> Mapping[str, object]:
    filed = applications.of_office(session, code, page=listing.page_number(), size=_PAGE)
    return {"applications": filed, "pager": listing.pager_of(filed)}


_FACTS: Mapping[str, Callable[[Session, str], Mapping[str, object]]] = {
    "contract": _contract,
    "terminals": _terminals,
    "applications": _applications,
}
