"""The second step of a log-in, after the password; and the log-in by passkey alone, which needs no password."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, kept
from webui.accounts import Person, network_of
from webui.doorway import doorway
from webui.factors import Outcome
from webui.proving.arrival import again, arrive, present_origin
from webui.refusals import SHARED, sentence_of, status_of
from webui.sessions import visit
from webui.sheet import Sheet
from webui.step_up import ANSWER, CODE
from webui.texts import mark

blueprint = flask.Blueprint("second_step", __name__, url_prefix="/login")

LATE = mark("時間が過ぎたため、ログインを最初からやり直してください。")


def begin(person: Person) -> Response:
    """Go on from the right password to the second step, with what the log-in form carried."""
    try:
        doorway().sessions.begin_half(visit(), person)
    except Refused:
        return again()
    if carried := kept.carried():
        return flask.make_response(_page(person, Sheet(), carried))
    wanted = guard.safe_next(flask.request.form.get("next"))
    return flask.redirect(flask.url_for("second_step.show", next=wanted if wanted != guard.safe_next(None) else None), 303)


@blueprint.get("/second")
@guard.public
def show() -> Response | str:
    """Show the form for the second factor, to who typed the password a short while ago."""
    person = doorway().sessions.half(visit())
    return _page(person, Sheet()) if person else again()


@blueprint.post("/second")
@guard.public
def check() -> Response:
    """Check the second factor and open the door."""
    person = doorway().sessions.half(visit())
    if person is None:
        return again()
    form = flask.request.form
    if not form.get(ANSWER) and not form.get(CODE, "").strip():
        return _refused(person, Refused("required"))
    try:
        return arrive(person, _prove(person))
    except Refused as refused:
        if refused.code != "throttled":
            doorway().parts.log_ins.note_factor_failure(person.account_id, present_origin())
        return _refused(person, refused)


@blueprint.post("/second/options")
@guard.public
def options() -> Response:
    """Return what the browser asks the visitor's passkeys with."""
    person = doorway().sessions.half(visit())
    if person is None:
        flask.abort(404)
    return flask.Response(doorway().parts.passkeys.assertion_options(visit().token_hash, person), mimetype="application/json")


@blueprint.post("/passkey")
@guard.public
def by_passkey() -> Response:
    """Open the door to whoever's passkey it is."""
    parts, door = doorway().parts, doorway().furnishing.door
    try:
        person = parts.passkeys.prove(door, visit().token_hash, flask.request.form.get(ANSWER, ""))
    except Refused as refused:
        page = flask.render_template("passkey-refused.html", refusal=sentence_of(SHARED, refused))
        return flask.make_response(page, 422)
    return arrive(person, Outcome.PASSKEY)


@blueprint.post("/passkey/options")
@guard.public
def any_options() -> Response:
    """Return what the browser asks for any passkey of this door with."""
    return flask.Response(doorway().parts.passkeys.assertion_options(visit().token_hash, None), mimetype="application/json")


def _prove(person: Person) -> Outcome:
    form, parts = flask.request.form, doorway().parts
    if form.get(ANSWER):
        parts.passkeys.prove(person.door, visit().token_hash, form[ANSWER], person)
        return Outcome.PASSKEY
    return parts.factors.prove(person, form[CODE], network_of(flask.request.remote_addr))


def _refused(person: Person, refused: Refused) -> Response:
    sheet = Sheet().with_faults({CODE: sentence_of(SHARED, refused)})
    response = flask.make_response(_page(person, sheet, kept.carried()), 422)
    if "retry_after" in refused.facts:
        response.status_code = status_of(SHARED, refused)
        response.headers["Retry-After"] = str(refused.facts["retry_after"])
    return response


def _page(person: Person, sheet: Sheet, carried: kept.Pairs = ()) -> str:
    return flask.render_template(
        "second-step.html",
        sheet=sheet,
        standing=doorway().parts.factors.standing(person.account_id),
        hidden=(*kept.hidden(carried), ("next", flask.request.values.get("next", ""))),
    )
