"""契約情報 参照: what the office has agreed with the center, tab by tab."""

import flask
from sqlalchemy.orm import Session

from enrollment import credentials, id_notices
from enrollment.renewal_window import window_of
from registry import contracts, offices, terminals
from registry.states import DeviceClass, SystemClass, TerminalState
from webui import guard
from webui.doorway import doorway
from webui.portal import reissues, renewals
from webui.portal.parts import office_code, portal
from webui.texts import gettext, mark

blueprint = flask.Blueprint("contract", __name__)

_PAGE = 50

TABS = {
    "office": mark("事業所"),
    "user-codes": mark("利用者コード"),
    "netnaccs": "netNACCS",
    "general-naccs": mark("一般NACCS"),
    "lines": mark("回線"),
    "billing": mark("請求先"),
}
# The contract's lists that each tab shows.
_SHOWN = {
    "office": ("partners",),
    "user-codes": ("businesses", "user_codes", "partners", "brokers"),
    "netnaccs": (),
    "general-naccs": ("general_terminals",),
    "lines": ("lines",),
    "billing": ("user_codes",),
}


@blueprint.get("/contract", defaults={"tab": "office"})
@blueprint.get("/contract/<any('user-codes', netnaccs, 'general-naccs', lines, billing):tab>")
@guard.customer()
def show(tab: str) -> str:
    """Show one tab of the contract."""
    with doorway().parts.database.snapshot() as session:
        office, contract = offices.get(session, office_code()), contracts.get(session, office_code(), lists=_SHOWN[tab])
        if office is None or contract is None:
            flask.abort(404)
        siblings = offices.siblings(session, office_code()) if tab == "office" else {}
        facts = _terminals(session) if tab == "netnaccs" else {}
    tabs = [(key, gettext(label), flask.url_for("contract.show", tab=key)) for key, label in TABS.items()]
    return flask.render_template(
        f"contract-{tab}.html", tab=tab, tabs=tabs, office=office, contract=contract, siblings=siblings, **facts
    )


def _terminals(session: Session) -> dict[str, object]:
    query = flask.request.args
    text = query.get("q", "").strip()
    state = TerminalState(query["state"]) if query.get("state") in tuple(TerminalState) else None
    page = query.get("page", 1, type=int)
    found = terminals.search(session, text=text, state=state, office_code=office_code(), page=page, size=_PAGE)
    certificates = credentials.of_terminals(session, [terminal.name for terminal in found.records])
    days = portal().renewal_terms.days
    return {
        "found": found,
        "asked": {"q": text, "state": state.value if state else ""},
        "is_search": bool(text or state),
        "counts": terminals.counts(session, office_code()),
        "certificates": certificates,
        "windows": {name: window_of(one.not_after, days) for name, one in certificates.items()},
        "reissues": reissues.offers(session, found.records),
        "ending": renewals.banner(session),
        "devices": list(DeviceClass),
        "systems": list(SystemClass),
        "states": list(TerminalState),
        "notice": id_notices.is_there(session, None, office_code()),
        "now": doorway().parts.clock.now(),
    }
