"""証明書の失効: an office ends a certificate of its own terminal, for a reason, after it was told what follows."""

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from enrollment import credentials
from enrollment.credentials import CertificateView
from enrollment.staff_views import CertificateState, Reason
from kernel.errors import Refused
from registry import terminals
from webui import guard, step_up
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.refusals import SHARED, sentence_of
from webui.sheet import Sheet
from webui.texts import gettext, mark, say

blueprint = flask.Blueprint("revocations", __name__)

# What an office may say of its own terminal; the other reasons are the center's.
REASONS: Mapping[Reason, str] = {
    Reason.KEY_COMPROMISE: mark("紛失・盗難・鍵の漏えい(ほかの人に使われるおそれがある)"),
    Reason.CESSATION_OF_OPERATION: mark("このパソコンでの利用をやめた"),
    Reason.AFFILIATION_CHANGED: mark("企業名や事業所などの所属が変わった"),
    Reason.UNSPECIFIED: mark("その他"),
}
_PATH = "/terminals/<string(length=6):terminal>/revocation"
_LIVING = (CertificateState.VALID, CertificateState.HELD)


@blueprint.get(_PATH)
@guard.customer(right=Right.APPLY)
def ask(terminal: str) -> Response:
    """Ask for the reason and tell what follows."""
    current = _current(terminal)
    if current is None or current.state not in _LIVING:
        return _arrive(terminal, current, _told(Refused("certificate-none")), "warn")
    return _form(current, Sheet({"serial": current.serial, "reason": flask.request.args.get("reason", "")}))


@blueprint.get(_PATH + "/confirm")
@guard.customer(right=Right.APPLY)
def confirm(terminal: str) -> Response | str:
    """Show what was chosen with what it does: a page of its own, so that the browser's Back and reloading do no harm."""
    current, chosen = _current(terminal), flask.request.args.get("reason", "")
    is_seen = current is not None and current.state in _LIVING and current.serial == flask.request.args.get("serial")
    if current is None or not is_seen or chosen not in REASONS:
        return flask.redirect(flask.url_for("revocations.ask", terminal=terminal), 303)
    reason = Reason(chosen)
    return flask.render_template(
        "revocation-confirm.html",
        current=current,
        reason=reason,
        reason_name=gettext(REASONS[reason]),
        consequences=consequences(reason),
    )


@blueprint.post(_PATH)
@guard.customer(right=Right.APPLY)
def revoke(terminal: str) -> Response:
    """Lead to the confirmation of what was chosen; revoke when that is confirmed and a second factor was shown."""
    current = _current(terminal)
    sheet = Sheet({name: flask.request.form.get(name, "") for name in ("reason", "serial")})
    if current is None or current.state not in _LIVING:
        return _arrive(terminal, current, _told(Refused("certificate-none")), "warn")
    if sheet["serial"] != current.serial:
        return _arrive(terminal, current, _told(Refused("certificate-changed")), "warn")
    if sheet["reason"] not in REASONS:
        return _form(current, sheet.with_faults({"reason": say(mark("理由を選択してください。"))}))
    if flask.request.form.get("step") != "do":
        return flask.redirect(_confirmation(current, sheet["reason"]), 303)
    reason = Reason(sheet["reason"])
    if (question := step_up.question(button=say(mark("失効させる")), back=_address(current))) is not None:
        return question
    return _carry_out(current, reason)


def consequences(reason: Reason | None) -> tuple[str, ...]:
    """Return what a revocation does, finished sentences; before a reason was chosen, what all of them do."""
    told = [
        say(mark("失効は元に戻せません。この証明書では、数秒のうちにログオンできなくなります。")),
        say(mark("端末は廃止されません。もう一度使うには、再発行を申し込み、新しい証明書を取得します。")),
        say(mark("失効したことと理由は、失効リスト(CRL)で公表されます。管理責任者にもメールで知らせます。")),
    ]
    if reason is Reason.KEY_COMPROMISE:
        told.insert(1, say(mark("この証明書の鍵は、今後どの証明書にも使えません。")))
    return tuple(told)


def _carry_out(current: CertificateView, reason: Reason) -> Response:
    try:
        done = portal().endings.revoke(current.terminal, reason, guard.person().actor, serial=current.serial)
    except Refused as refused:
        return _arrive(current.terminal, current, _told(refused), "warn")
    told = (
        mark("端末%(terminal)sの証明書を失効させました。") if done else mark("端末%(terminal)sの証明書は、すでに失効しています。")
    )
    return _arrive(current.terminal, current, say(told, terminal=current.terminal), "done" if done else "warn")


def _current(name: str) -> CertificateView | None:
    """Return the current certificate of a terminal of the visitor's office; 404 for any other terminal."""
    with doorway().parts.database.snapshot() as session:
        terminal = terminals.get(session, name)
        if terminal is None or terminal.office_code != office_code():
            flask.abort(404)
        return credentials.of_terminals(session, [name]).get(name)


def _form(current: CertificateView, sheet: Sheet) -> Response:
    reasons = [(reason.value, gettext(text)) for reason, text in REASONS.items()]
    page = flask.render_template(
        "revocation.html",
        current=current,
        sheet=sheet,
        reasons=reasons,
        consequences=consequences(None),
        now=doorway().parts.clock.now(),
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _arrive(terminal: str, current: CertificateView | None, sentence: str, tone: str) -> Response:
    flask.flash(sentence, tone)
    return flask.redirect(_address(current) if current else flask.url_for("doctor.show", terminal=terminal), 303)


def _confirmation(current: CertificateView, reason: str) -> str:
    return flask.url_for("revocations.confirm", terminal=current.terminal, reason=reason, serial=current.serial)


def _address(current: CertificateView) -> str:
    return flask.url_for("certificates.show", terminal=current.terminal, serial=current.serial)


def _told(refused: Refused) -> str:
    return sentence_of({**SHARED, **doorway().furnishing.sentences}, refused)
