"""契約情報 参照: what the office has agreed with the center, tab by tab."""

import flask
from sqlalchemy.orm import Session

from enrollment import credentials
from registry import contracts, offices, terminals
from registry.states import DeviceClass, SystemClass
from webui import guard
from webui.doorway import doorway
from webui.portal import reissues, renewals
from webui.portal.parts import office_code, portal
from webui.texts import gettext, mark

blueprint = flask.Blueprint("contract", __name__)

TABS = {
    "office": mark("企業・事業所"),
    "user-codes": mark("利用者コード"),
    "netnaccs": "netNACCS",
    "billing": mark("請求先"),
}


@blueprint.get("/contract", defaults={"tab": "office"})
@blueprint.get("/contract/<any('user-codes', netnaccs, billing):tab>")
@guard.customer()
def show(tab: str) -> str:
    """Show one tab of the contract."""
    with doorway().parts.database.snapshot() as session:
        office, contract = offices.get(session, office_code()), contracts.get(session, office_code())
        if office is None or contract is None:
            flask.abort(404)
        facts = _terminals(session) if tab == "netnaccs" else {}
    tabs = [(key, gettext(label), flask.url_for("contract.show", tab=key)) for key, label in TABS.items()]
    return flask.render_template(f"contract-{tab}.html", tab=tab, tabs=tabs, office=office, contract=contract, **facts)


def _terminals(session: Session) -> dict[str, object]:
    found = terminals.of_office(session, office_code(), page=flask.request.args.get("page", 1, type=int), abolished=True)
    return {
        "found": found,
        "counts": terminals.counts(session, office_code()),
        "certificates": credentials.of_terminals(session, [terminal.name for terminal in found.records]),
        "reissues": reissues.offers(session, found.records),
        "ending": renewals.banner(session),
        "devices": list(DeviceClass),
        "systems": list(SystemClass),
        "notice": portal().notices.notice(None, office_code()),
        "now": doorway().parts.clock.now(),
    }
