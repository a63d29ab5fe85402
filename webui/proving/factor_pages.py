"""One's second factors: what there is, adding and removing, recovery codes. Adding and removing need a proof first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import enrolment, guard, kept, step_up
from webui.doorway import doorway
from webui.factors import Standing
from webui.proving.arrival import present_origin
from webui.refusals import SHARED, sentence_of
from webui.sessions import visit
from webui.sheet import Sheet
from webui.texts import mark, say

blueprint = flask.Blueprint("factors", __name__, url_prefix="/factors")


@blueprint.get("")
@guard.enrolling
def show() -> str:
    """Show one's second factors; to staff without any, what they need before they go on."""
    present, wanted = visit(), flask.request.args.get("next", "")
    return flask.render_template(
        "factors.html",
        standing=_standing(),
        wanted=wanted if wanted and guard.safe_next(wanted) == wanted else "",
        is_owed=guard.owes_factor(),
        has_passkeys=doorway().parts.passkeys.relying_party.is_possible,
        sessions=doorway().sessions.listed(guard.person(), present),
    )


@blueprint.post("/totp/begin")
@guard.enrolling
def begin_totp() -> Response:
    """Make the secret of a new authenticator app; in place of one that is there only after a proof."""
    if _standing().is_any and (question := _question(say(mark("認証アプリを登録する")))) is not None:
        return question
    visit().pop(enrolment.PENDING, None)
    enrolment.begin()
    return flask.redirect(flask.url_for("factors.enrol", next=flask.request.form.get("next") or None), 303)


@blueprint.get("/totp")
@guard.enrolling
def enrol() -> Response:
    """Show the new secret, as a picture and as text, and take its first code."""
    if not enrolment.pending():
        return flask.redirect(flask.url_for("factors.show"), 303)
    return _enrolment_page({})


@blueprint.post("/totp")
@guard.enrolling
def add_totp() -> Response:
    """Take the authenticator app into use by its first code."""
    if not enrolment.pending():
        return flask.redirect(flask.url_for("factors.show"), 303)
    code = flask.request.form.get("first_code", "")
    factors, keep = doorway().parts.factors, visit().token_hash
    return _add(_TOTP, lambda: factors.confirm_totp(guard.person(), enrolment.pending(), code, keep=keep))


@blueprint.route("/totp/remove", methods=["GET", "POST"])
@guard.logged_in
def remove_totp() -> Response | str:
    """Remove the authenticator app."""
    name = say(mark("認証アプリ"))
    return _remove(name, lambda: doorway().parts.factors.remove_totp(guard.person()))


@blueprint.get("/passkeys/new")
@guard.enrolling
def new_passkey() -> Response:
    """Show the form for a new passkey."""
    return _passkey_page({})


@blueprint.post("/passkeys/options")
@guard.enrolling
def passkey_options() -> Response:
    """Return what the browser makes a new passkey from."""
    answer = doorway().parts.passkeys.registration_options(guard.person(), visit().token_hash)
    return flask.Response(answer, mimetype="application/json")


@blueprint.post("/passkeys")
@guard.enrolling
def add_passkey() -> Response:
    """Take up the passkey that the browser made."""
    form = flask.request.form
    name, answer = form.get("passkey_name") or present_origin().device, form.get("new_passkey", "")
    passkeys, token_hash = doorway().parts.passkeys, visit().token_hash
    return _add(_PASSKEY, lambda: passkeys.add(guard.person(), token_hash, answer, name))


@blueprint.route("/passkeys/<int:passkey_id>/remove", methods=["GET", "POST"])
@guard.logged_in
def remove_passkey(passkey_id: int) -> Response | str:
    """Remove one of one's passkeys."""
    found = next((one for one in _standing().passkeys if one.id == passkey_id), None)
    if found is None:
        flask.abort(404)
    name = say(mark("パスキー「%(name)s」"), name=found.name)
    return _remove(name, lambda: doorway().parts.passkeys.remove(guard.person(), passkey_id))


@blueprint.post("/challenge")
@guard.logged_in
def challenge() -> Response:
    """Return what the browser asks one's passkeys with, for a proof."""
    return flask.Response(
        doorway().parts.passkeys.assertion_options(visit().token_hash, guard.person()), mimetype="application/json"
    )  # fmt: skip


@blueprint.post("/recovery")
@guard.logged_in
def renew_recovery() -> Response:
    """Replace one's recovery codes and show the new ones."""
    if (question := _question(say(mark("回復コードを作り直す")))) is not None:
        return question
    try:
        codes = doorway().parts.factors.renew_recovery(guard.person())
    except Refused as refused:
        flask.flash(sentence_of(SHARED, refused), "warn")
        return flask.redirect(flask.url_for("factors.show"), 303)
    page = flask.render_template(
        "recovery-codes.html", codes=codes, wanted=flask.url_for("factors.show"), carried=(), sends=False
    )  # fmt: skip
    return flask.make_response(page)


def _standing() -> Standing:
    return doorway().parts.factors.standing(guard.person().account_id)


def _question(button: str) -> Response | None:
    return step_up.question(button=button, back=flask.url_for("factors.show"))


def _add(kind: "_Kind", add: Callable[[], tuple[str, ...]]) -> Response:
    """Add a factor, after the proof that it takes: another factor, or the password where there is none."""
    if _standing().is_any and (question := _question(say(mark("登録する")))) is not None:
        return question
    faults = {} if _standing().is_any else _password_faults()
    if not faults:
        try:
            codes = add()
        except Refused as refused:
            faults = {kind.field: sentence_of(SHARED, refused)}
    if faults:
        return kind.page(faults)
    visit().pop(enrolment.PENDING, None)
    doorway().sessions.prove(visit())
    if not (codes or enrolment.SENDS in flask.request.form):
        flask.flash(kind.done)
    return enrolment.done(codes)


def _password_faults() -> Mapping[str, str]:
    if step_up.is_password_fresh():
        return {}
    try:
        step_up.confirm_password(flask.request.form.get("password", ""))
    except Refused as refused:
        return {"password": sentence_of(SHARED, refused)}
    return {}


def _remove(name: str, remove: Callable[[], None]) -> Response | str:
    back = flask.url_for("factors.show")
    if flask.request.method != "POST":
        return flask.render_template("factor-removal.html", name=name)
    if (question := _question(say(mark("削除する")))) is not None:
        return question
    try:
        remove()
    except Refused as refused:
        flask.flash(sentence_of(SHARED, refused), "warn")
    else:
        flask.flash(say(mark("%(name)sを削除しました。"), name=name), "done")
    return flask.redirect(back, 303)


def _enrolment_page(faults: Mapping[str, str]) -> Response:
    return enrolment.page(
        _wanted(),
        kept.carried(),
        sends=enrolment.SENDS in flask.request.form,
        needs_password=_needs_password(),
        faults=faults,
    )


def _passkey_page(faults: Mapping[str, str]) -> Response:
    sends = ((enrolment.SENDS, "1"),) if enrolment.SENDS in flask.request.form else ()
    page = flask.render_template(
        "passkey-new.html",
        hidden=(*kept.hidden(kept.carried()), ("next", _wanted()), *sends),
        needs_password=_needs_password(),
        device=present_origin().device,
        sheet=Sheet({}, dict(faults)),
    )
    return flask.make_response(page, 422 if faults else 200)


def _wanted() -> str:
    return flask.request.values.get("next") or flask.url_for("factors.show")


def _needs_password() -> bool:
    return not _standing().is_any and not step_up.is_password_fresh()


@dataclass(frozen=True)
class _Kind:
    """A kind of factor as its pages add it: the field that a refusal stands at, what is said afterwards, the page again."""

    field: str
    done: str
    page: Callable[[Mapping[str, str]], Response]


_TOTP = _Kind("first_code", mark("認証アプリを登録しました。"), _enrolment_page)
_PASSKEY = _Kind("passkey_name", mark("パスキーを登録しました。"), _passkey_page)
