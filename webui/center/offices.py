"""Offices as staff read them; nothing here changes anything."""

import flask

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
    return flask.render_template(
        "offices.html", found=found, pager=listing.pager(found.number, found.pages, found.total), text=text
    )


@blueprint.get("/<code>")
@guard.staff()
def show(code: str) -> str:
    """Show an office: its contract, its terminals, or its applications."""
    tab = listing.chosen("tab", tuple(TABS), "contract")
    number = listing.page_number()
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, code)
        if office is None:
            flask.abort(404)
        contract = contracts.get(session, code)
        own = terminals.of_office(session, code, page=number, size=_PAGE, abolished=True)
        filed = applications.of_office(session, code, page=number, size=_PAGE)
        current = of_terminals(session, [terminal.name for terminal in own.records])
        disclosure = disclosures.of_office(session, code)
        failed = outbox.count(session, outbox.Wanted(office_code=code, state=MailState.FAILED))
    shown = own if tab == "terminals" else filed
    return flask.render_template(
        "office.html",
        office=office,
        contract=contract,
        terminals=own,
        current=current,
        applications=filed,
        failed_mails=failed,
        disclosure=disclosure,
        DISCLOSURES=DISCLOSURES,
        Role=Role,
        pager=listing.pager(shown.number, shown.pages, shown.total),
        tab=tab,
        tabs=TABS,
        now=doorway().parts.clock.now(),
    )
