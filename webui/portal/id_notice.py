"""ID通知内容: what is needed to retrieve certificates. Codes are hidden until asked for, and each showing is on record.

Asking is a form that leads to an address of its own, so that reloading and the browser's Back send no form again. What the
visit keeps for it are the names of the terminals that were asked for, never a code; reading that address shows, and records,
anew, and a short while later, or when the second factor is no longer fresh, it shows nothing any more.
"""

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache

import flask
import segno
from werkzeug.wrappers import Response

from enrollment import credentials, receipts
from enrollment.disclosure import ShownCodes
from enrollment.id_notices import IdNotice, NoticeLine
from kernel.errors import Refused
from registry import offices, terminals
from webui import downloads, guard, step_up
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.sessions import visit
from webui.texts import mark, say

blueprint = flask.Blueprint("id_notice", __name__)

# A notice is one application's; that of terminals which were taken over has no receipt number.
OF_APPLICATION = "/applications/<string(length=7):receipt_number>/id-notice"
OF_TAKEN_OVER = "/id-notice"
_TERMINAL = "/<string(length=6):terminal>"
_NO_NUMBER: dict[str, str | None] = {"receipt_number": None}
# How long the page with the codes may be read again: to reload it, to come back to it from the page that retrieves.
SHOWN_FOR = timedelta(minutes=5)
# In the visit: whose codes were asked for last, and when.
_ASKED = "codes_asked"


@blueprint.get(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION)
@guard.customer()
def show(receipt_number: str | None) -> Response | str:
    """Show the notice, codes hidden but for those just asked for; news of codes cancelled since lead to the application."""
    asked = _asked(receipt_number)
    if asked is None:  # a while ago: the address goes, too
        return _to_notice(receipt_number)
    page = _page(receipt_number, _revealed(receipt_number, asked))
    if page is None and receipt_number is not None:
        return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
    return page or flask.abort(404)


@blueprint.post(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION)
@guard.customer(right=Right.CODES)
def show_codes(receipt_number: str | None) -> Response:
    """Lead to the notice with what the visitor may see of the asked terminals' codes: on that page, never in its address."""
    wanted = set(flask.request.form.getlist("terminal"))
    names = [line.terminal for line in own(receipt_number).terminals if line.terminal in wanted and line.showable and line.part]
    if not names:
        return _to_notice(receipt_number)
    if (question := _question(receipt_number)) is not None:
        return question
    view = secrets.token_urlsafe(9)
    asked_at = doorway().parts.clock.now().isoformat()
    visit()[_ASKED] = {"view": view, "receipt_number": receipt_number, "terminals": names, "at": asked_at}
    return flask.redirect(flask.url_for("id_notice.show", receipt_number=receipt_number, view=view), 303)


@blueprint.get(OF_TAKEN_OVER + "/freeze", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + "/freeze")
@guard.customer()
def ask_freeze_all(receipt_number: str | None) -> str:
    """Ask whether all codes of the notice shall be frozen; the mail about the codes leads here."""
    lines = [line for line in own(receipt_number).terminals if line.freezable]
    return flask.render_template("id-notice-freeze.html", receipt_number=receipt_number, lines=lines, terminal=None)


@blueprint.post(OF_TAKEN_OVER + "/freeze", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + "/freeze")
@guard.customer()
def freeze_all(receipt_number: str | None) -> Response:
    """Freeze all codes of the notice that can still be redeemed; anyone of the office may."""
    own(receipt_number)
    frozen = portal().notices.freeze_all(receipt_number, office_code(), guard.person().actor)
    return _arrive(receipt_number, FROZEN if frozen else mark("凍結できるコードはありませんでした。"))


@blueprint.get(OF_TAKEN_OVER + _TERMINAL + "/freeze", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _TERMINAL + "/freeze")
@guard.customer()
def ask_freeze(receipt_number: str | None, terminal: str) -> str:
    """Ask whether the terminal's codes shall really be frozen."""
    line = line_of(receipt_number, terminal)
    if not line.freezable:
        flask.abort(404)
    return flask.render_template("id-notice-freeze.html", receipt_number=receipt_number, lines=[line], terminal=terminal)


@blueprint.post(OF_TAKEN_OVER + _TERMINAL + "/freeze", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _TERMINAL + "/freeze")
@guard.customer()
def freeze(receipt_number: str | None, terminal: str) -> Response:
    """Freeze the terminal's codes; anyone of the office may."""
    portal().notices.freeze(receipt_number, office_code(), terminal, guard.person().actor)
    return _arrive(receipt_number, FROZEN)


@blueprint.get(OF_TAKEN_OVER + _TERMINAL + "/consent", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _TERMINAL + "/consent")
@guard.customer(right=Right.ADMINISTRATOR)
def ask_consent(receipt_number: str | None, terminal: str) -> str:
    """Ask the administrator whether frozen codes shall be redeemed again."""
    line = line_of(receipt_number, terminal)
    if line.freeze is None:
        flask.abort(404)
    return flask.render_template("id-notice-consent.html", receipt_number=receipt_number, line=line)


@blueprint.post(OF_TAKEN_OVER + _TERMINAL + "/consent", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _TERMINAL + "/consent")
@guard.customer(right=Right.ADMINISTRATOR)
def consent(receipt_number: str | None, terminal: str) -> Response:
    """Take the administrator's consent."""
    is_lifted = portal().notices.consent(receipt_number, office_code(), terminal, guard.person().actor)
    waiting = mark("凍結の解除に同意しました。センターが確認すると、凍結が解除されます。")
    return _arrive(receipt_number, mark("凍結を解除しました。") if is_lifted else waiting)


@blueprint.get("/receipts/<string(length=6):terminal>/<serial>")
@guard.customer()
def receipt(terminal: str, serial: str) -> Response:
    """Hand out the receipt of one of the office's retrievals: JSON that proves it to be in the public log."""
    with doorway().parts.database.snapshot() as session:
        text = receipts.text_of(session, terminal, serial, office_code())
    return downloads.file(text or flask.abort(404), "application/json", receipts.file_name(terminal, serial))


FROZEN = mark("認証コードを凍結しました。管理責任者と申込担当者にメールで知らせます。")


def own(receipt_number: str | None) -> IdNotice:
    """Return a notice of the visitor's office; 404 for any other."""
    return _notice(receipt_number) or flask.abort(404)


def line_of(receipt_number: str | None, terminal: str) -> NoticeLine:
    """Return one terminal of such a notice; 404 for any other."""
    return next((line for line in own(receipt_number).terminals if line.terminal == terminal), None) or flask.abort(404)


def _notice(receipt_number: str | None) -> IdNotice | None:
    return portal().notices.notice(receipt_number, office_code(), reader=guard.person().actor)


def _arrive(receipt_number: str | None, sentence: str) -> Response:
    flask.flash(sentence)
    return _to_notice(receipt_number)


def _to_notice(receipt_number: str | None) -> Response:
    return flask.redirect(flask.url_for("id_notice.show", receipt_number=receipt_number), 303)


def _asked(receipt_number: str | None) -> list[str] | None:
    """Return the terminals whose codes this address shows; none for the plain notice, None when it shows no more."""
    if "view" not in flask.request.args:
        return []
    kept = visit().get(_ASKED)
    if not isinstance(kept, dict) or not guard.person().may(Right.CODES) or not step_up.is_fresh():
        return None
    is_this = (kept["view"], kept["receipt_number"]) == (flask.request.args["view"], receipt_number)
    is_late = doorway().parts.clock.now() - datetime.fromisoformat(kept["at"]) > SHOWN_FOR
    return None if is_late or not is_this else list(kept["terminals"])


def _revealed(receipt_number: str | None, names: Iterable[str]) -> Mapping[str, ShownCodes]:
    """Return what the visitor may see of some terminals' codes; that they saw it is on record."""
    codes = {}
    for name in names:
        # Redeemed or frozen since it was asked for: the page says so, and the others' codes are shown all the same.
        with suppress(Refused):
            codes[name] = portal().notices.reveal(receipt_number, office_code(), name, guard.person().actor)
    return codes


def _question(receipt_number: str | None) -> Response | None:
    """Return the page that asks for the second factor; None once it was shown a short while ago."""
    back = flask.url_for("id_notice.show", receipt_number=receipt_number)
    return step_up.question(button=say(mark("コードを表示する")), back=back, anchor="codes")


def _page(receipt_number: str | None, codes: Mapping[str, ShownCodes]) -> str | None:
    """Return the page of a notice of the visitor's office with the codes that are shown; None where there is none."""
    with doorway().parts.database.snapshot() as session:
        notice = portal().notices.notice_in(session, receipt_number, office_code(), reader=guard.person().actor)
        if notice is None:
            return None
        names = [line.terminal for line in notice.terminals]
        office = offices.get(session, notice.office_code)
        kinds = terminals.named(session, names)
        certificates = credentials.of_terminals(session, names)
        proven = receipts.newest_of(session, names, notice.office_code)
    is_waiting = any(line.showable for line in notice.terminals)
    return flask.render_template(
        "id-notice.html",
        notice=notice,
        codes=codes,
        office=office,
        kinds=kinds,
        classes=dict.fromkeys(kind.system_class for kind in kinds.values()),
        certificates=certificates,
        receipts=proven,
        retrieval_url=portal().retrieval_url,
        picture=_picture(portal().retrieval_url, notice.office_code) if is_waiting else "",
        now=doorway().parts.clock.now(),
        owner=_owner,
    )


@lru_cache(maxsize=100)
def _picture(retrieval_url: str, office_code: str) -> str:
    """Return the code that a telephone reads the address of the retrieval page from."""
    return _drawn(retrieval_url, office_code, _mask(retrieval_url)).svg_inline(omitsize=True, border=2)


@lru_cache(maxsize=1)
def _mask(retrieval_url: str) -> int | None:
    """Return with which of its eight masks such a code is drawn; to try them all takes four fifths of the drawing.

    A code says itself which one it has. Offices' addresses differ in six characters, so all have that of one of them.
    """
    return _drawn(retrieval_url, "AAA001", None).mask


def _drawn(retrieval_url: str, office_code: str, mask: int | None) -> "segno.QRCode":
    return segno.make(f"{retrieval_url}/retrieve?office_code={office_code}", error="m", micro=False, mask=mask)


def _owner(line: NoticeLine, name: str) -> str:
    """Return whose half a code belongs to, where the contract splits them."""
    if name != "auth_code_3":
        return say(mark("管理責任者に表示します"))
    if line.applicant is None:
        return say(mark("管理責任者以外の方に表示します"))
    return say(mark("申込者(%(login)s)に表示します"), login=line.applicant.rpartition("/")[2])
