"""ID通知内容: what is needed to retrieve certificates. Codes are hidden until asked for, and each showing is on record."""

from collections.abc import Mapping
from contextlib import suppress

import flask
from werkzeug.wrappers import Response

from enrollment import credentials
from enrollment.codes import Codes
from enrollment.id_notices import IdNotice
from kernel.errors import Refused
from registry import offices, terminals
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.texts import mark

blueprint = flask.Blueprint("id_notice", __name__)

# A notice is one application's; that of terminals which were taken over has no receipt number.
OF_APPLICATION = "/applications/<string(length=7):receipt_number>/id-notice"
OF_TAKEN_OVER = "/id-notice"
_FREEZE = "/<string(length=6):terminal>/freeze"
_NO_NUMBER: dict[str, str | None] = {"receipt_number": None}


@blueprint.get(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION)
@guard.customer()
def show(receipt_number: str | None) -> Response | str:
    """Show the notice, codes hidden; news of codes that were cancelled since lead to the application."""
    notice = portal().notices.notice(receipt_number, office_code())
    if notice is None and receipt_number is not None:
        return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
    return _page(notice or flask.abort(404), {})


@blueprint.post(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION)
@guard.customer(right=Right.CODES)
def show_codes(receipt_number: str | None) -> str:
    """Show the notice with the codes of the asked terminals: in the answer itself, never in an address."""
    asked = set(flask.request.form.getlist("terminal"))
    notice = _own(receipt_number)
    actor = guard.person().actor
    codes = {}
    for name in (line.terminal for line in notice.terminals if line.terminal in asked and line.showable):
        # Redeemed or frozen since the page was read: the page says so, and the others' codes are shown all the same.
        with suppress(Refused):
            codes[name] = portal().notices.show(receipt_number, office_code(), name, actor)
    return _page(_own(receipt_number), codes)


@blueprint.get(OF_TAKEN_OVER + _FREEZE, defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _FREEZE)
@guard.customer(right=Right.CODES)
def ask_freeze(receipt_number: str | None, terminal: str) -> str:
    """Ask whether the terminal's codes shall really be frozen."""
    line = next((line for line in _own(receipt_number).terminals if line.terminal == terminal and line.showable), None)
    if line is None:
        flask.abort(404)
    return flask.render_template("id-notice-freeze.html", receipt_number=receipt_number, line=line)


@blueprint.post(OF_TAKEN_OVER + _FREEZE, defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _FREEZE)
@guard.customer(right=Right.CODES)
def freeze(receipt_number: str | None, terminal: str) -> Response:
    """Freeze the terminal's codes; only the center can thaw them."""
    portal().notices.freeze(receipt_number, office_code(), terminal, guard.person().actor)
    flask.flash(mark("認証コードを凍結しました。再開するには、ヘルプデスクへご連絡ください。"))
    return flask.redirect(flask.url_for("id_notice.show", receipt_number=receipt_number), 303)


def _own(receipt_number: str | None) -> IdNotice:
    notice = portal().notices.notice(receipt_number, office_code())
    if notice is None:
        flask.abort(404)
    return notice


def _page(notice: IdNotice, codes: Mapping[str, Codes]) -> str:
    names = [line.terminal for line in notice.terminals]
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, notice.office_code)
        kinds = {name: terminals.get(session, name) for name in names}
        certificates = credentials.of_terminals(session, names)
    return flask.render_template(
        "id-notice.html",
        notice=notice,
        codes=codes,
        office=office,
        kinds=kinds,
        classes=dict.fromkeys(kind.system_class for kind in kinds.values() if kind),
        certificates=certificates,
        retrieval_url=portal().retrieval_url,
        now=doorway().parts.clock.now(),
    )
