"""The end of a log-in: the session begins, the history notes it, and the visitor goes on to where they wanted to be."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, kept
from webui.accounts import Person
from webui.doorway import doorway
from webui.factors import Origin, Outcome
from webui.sessions import visit

_DEVICE_SECONDS = 400 * 24 * 3600


def present_origin() -> Origin:
    """Return where the present request comes from."""
    return Origin.of(flask.request.remote_addr, flask.request.headers.get("User-Agent", ""))


def arrive(person: Person, outcome: Outcome) -> Response:
    """Begin the session and go on; `outcome` says by what the door was opened. Back to the start if the account changed."""
    surroundings, origin = doorway(), present_origin()
    try:
        surroundings.sessions.begin(visit(), person, origin, is_proven=outcome is not Outcome.PASSWORD)
        device = surroundings.parts.log_ins.note_success(person, origin, outcome, present_device())
    except Refused:
        return again()
    # Kept with the session: the header of every page, error pages too, shows it without asking anyone.
    visit()["heading"] = list(surroundings.furnishing.heading(person))
    return keep_device(_next_page(), device)


def keep_device(response: Response, device: str) -> Response:
    """Give the browser the cookie by which accounts may know it."""
    response.set_cookie(
        _device_cookie(), device, max_age=_DEVICE_SECONDS, secure=True, httponly=True, samesite="Strict", path="/"
    )  # fmt: skip
    return response


def again() -> Response:
    """Lead back to the start of the log-in, which has to be done once more."""
    return flask.redirect(flask.url_for("entrance.log_in", next=flask.request.values.get("next") or None, notice="late"), 303)


def present_device() -> str:
    """Return the cookie by which an account may know the visitor's browser; empty for none."""
    return flask.request.cookies.get(_device_cookie(), "")


def _next_page() -> Response:
    wanted = guard.safe_next(flask.request.form.get("next"))
    if carried := kept.carried():
        return flask.make_response(flask.render_template("resume.html", wanted=wanted, carried=carried))
    return flask.redirect(wanted, 303)


def _device_cookie() -> str:
    return f"__Host-tegata-{doorway().furnishing.door}-device"
