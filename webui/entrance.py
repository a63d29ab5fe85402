"""What both doors share: log-in, log-out, one's own password, the language."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, kept
from webui.accounts import Credentials, Door, UserLetters, network_of
from webui.doorway import doorway
from webui.factors import Outcome
from webui.proving import second_step
from webui.proving.arrival import arrive, present_device, present_origin
from webui.refusals import SHARED, sentence_of
from webui.sessions import visit
from webui.sheet import Sheet
from webui.shell import language_cookie
from webui.texts import LANGUAGES, mark, say

blueprint = flask.Blueprint("entrance", __name__)

NOTICES = {
    "ended": mark("一定時間操作がなかったため、ログアウトしました。もう一度ログインしてください。"),
    "kept": mark("一定時間操作がなかったため、ログアウトしました。ログインすると、入力した内容を送信できます。"),
    "out": mark("ログアウトしました。"),
    "late": second_step.LATE,
}
_YEAR = 365 * 24 * 3600


@blueprint.get("/login")
@guard.public
def log_in() -> Response | str:
    """Show the log-in form."""
    if visit().person is not None:
        return flask.redirect(guard.safe_next(flask.request.args.get("next")), 303)
    return _log_in_page(Sheet(), notice=NOTICES.get(flask.request.args.get("notice", "")))


@blueprint.post("/login/again")
@guard.public
def log_in_again() -> Response | str:
    """Show the log-in form to someone whose session ended over a form; the form is carried along."""
    if visit().person is not None:
        return flask.redirect(guard.safe_next(flask.request.args.get("next")), 303)
    return _log_in_page(Sheet(), notice=NOTICES["kept"], carried=kept.sent())


@blueprint.post("/login")
@guard.public
def check_log_in() -> Response:
    """Check what was typed and start a session."""
    form = flask.request.form
    surroundings = doorway()
    door = surroundings.furnishing.door
    sheet = Sheet({name: form.get(name, "").strip() for name in _names(door)})
    faults = {name: say(SHARED["required"].text) for name in _names(door) if not form.get(name)}
    if faults:
        return flask.make_response(_log_in_page(sheet.with_faults(faults), carried=kept.carried()), 422)
    source, device = network_of(flask.request.remote_addr), present_device()
    typed = Credentials(door, sheet["office_code"], sheet["user"], form["password"], source, device)
    try:
        person = surroundings.parts.accounts.authenticate(typed)
    except Refused as refused:
        if refused.code != "throttled":  # which writes nothing, however often it is tried
            surroundings.parts.log_ins.note_failure(typed, present_origin())
        page = _log_in_page(sheet, refusal=sentence_of(SHARED, refused), carried=kept.carried())
        response = flask.make_response(page, 422)
        if "retry_after" in refused.facts:
            response.status_code = 429
            response.headers["Retry-After"] = str(refused.facts["retry_after"])
        return response
    if surroundings.parts.factors.standing(person.account_id).is_any:
        return second_step.begin(person)
    return arrive(person, Outcome.PASSWORD)


@blueprint.post("/logout")
@guard.public
def log_out() -> Response:
    """End the session; pressing twice does no harm."""
    doorway().sessions.end(visit())
    return flask.redirect(flask.url_for("entrance.log_in", notice="out"), 303)


@blueprint.get("/password")
@guard.logged_in
def password() -> str:
    """Show the form for a new password."""
    return flask.render_template("password.html", sheet=Sheet())


@blueprint.post("/password")
@guard.logged_in
def change_password() -> Response:
    """Change one's own password; all other sessions of the account end."""
    form = flask.request.form
    names = ("current_password", "new_password", "new_password_again")
    faults = {name: say(SHARED["required"].text) for name in names if not form.get(name)}
    if not faults and form["new_password"] != form["new_password_again"]:
        faults = {"new_password_again": say(SHARED["password-differs"].text)}
    if not faults:
        try:
            parts = doorway().parts
            letters = UserLetters(parts.letters)
            parts.accounts.change_password(
                guard.person(),
                letters,
                current=form["current_password"],
                new=form["new_password"],
                keep=visit().token_hash,
                device=present_device(),
            )
        except Refused as refused:
            at = "current_password" if refused.code in {"password-wrong", "throttled"} else "new_password"
            faults = {at: sentence_of(SHARED, refused)}
    if faults:
        return flask.make_response(flask.render_template("password.html", sheet=Sheet({}, faults)), 422)
    flask.flash(mark("パスワードを変更しました。ほかのブラウザーでのログインは終了しました。"))
    return flask.redirect(flask.url_for(doorway().furnishing.home), 303)


@blueprint.post("/language")
@guard.public
def choose_language() -> Response:
    """Switch the language and come back to the same page."""
    response = flask.redirect(guard.safe_next(flask.request.form.get("next")), 303)
    chosen = flask.request.form.get("language", "")
    if chosen in LANGUAGES:
        response.set_cookie(language_cookie(), chosen, max_age=_YEAR, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def _names(door: Door) -> tuple[str, ...]:
    return ("office_code", "user", "password") if door is Door.PORTAL else ("user", "password")


def _log_in_page(sheet: Sheet, *, refusal: str | None = None, notice: str | None = None, carried: kept.Pairs = ()) -> str:
    return flask.render_template(
        "login.html",
        sheet=sheet.without("password"),
        refusal=refusal,
        notice=notice,
        wanted=flask.request.values.get("next", ""),
        carried=kept.hidden(carried),
        has_passkeys=doorway().parts.passkeys.relying_party.is_possible,
    )
