"""One's log-ins: those that are open, on whatever device, and those that were tried."""

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from webui import guard
from webui.doorway import doorway
from webui.factors import Outcome
from webui.sessions import visit
from webui.texts import mark
from webui.words import Label

blueprint = flask.Blueprint("sessions", __name__)

OUTCOMES: Mapping[Outcome, Label] = {
    Outcome.PASSWORD: Label(mark("ログイン(パスワードのみ)"), "good"),
    Outcome.TOTP: Label(mark("ログイン(認証アプリ)"), "good"),
    Outcome.PASSKEY: Label(mark("ログイン(パスキー)"), "good"),
    Outcome.RECOVERY: Label(mark("ログイン(回復コード)"), "good"),
    Outcome.FAILED: Label(mark("失敗(パスワードの誤り)"), "bad"),
    Outcome.FACTOR_FAILED: Label(mark("失敗(二段階認証の誤り)"), "bad"),
}
_PAGE = 30


@blueprint.get("/sessions")
@guard.logged_in
def listed() -> str:
    """Show one's log-ins that are open."""
    return flask.render_template("sessions.html", sessions=doorway().sessions.listed(guard.person(), visit()))


@blueprint.post("/sessions/<string(length=32):key>/end")
@guard.logged_in
def end(key: str) -> Response:
    """End one of one's log-ins."""
    ended = doorway().sessions.end_one(guard.person(), key)
    flask.flash(mark("ログインを終了しました。") if ended else mark("このログインは、すでに終了しています。"))
    return flask.redirect(flask.url_for("sessions.listed"), 303)


@blueprint.post("/sessions/end-others")
@guard.logged_in
def end_others() -> Response:
    """End all of one's log-ins but the present one."""
    doorway().sessions.end_others(guard.person(), visit())
    flask.flash(mark("ほかのすべてのログインを終了しました。"))
    return flask.redirect(flask.url_for("sessions.listed"), 303)


@blueprint.post("/sessions/end-all")
@guard.logged_in
def end_all() -> Response:
    """End all of one's log-ins, the present one, too."""
    doorway().sessions.end_all(guard.person(), visit())
    return flask.redirect(flask.url_for("entrance.log_in", notice="out"), 303)


@blueprint.get("/log-ins")
@guard.logged_in
def history() -> str:
    """Show the log-ins that were tried, newest first, page by page."""
    page = max(1, min(flask.request.args.get("page", 1, type=int), 1000))
    found, total = doorway().parts.log_ins.listed(guard.person().account_id, page=page, size=_PAGE)
    more = total > page * _PAGE
    return flask.render_template(
        "log-ins.html",
        found=found,
        OUTCOMES=OUTCOMES,
        before=flask.url_for("sessions.history", page=page - 1) if page > 1 else "",
        after=flask.url_for("sessions.history", page=page + 1) if more else "",
    )
