"""Proving again who one is, before something that a session left open must not give away: codes, revocations, one's factors.

A view that needs it begins with

    if (question := step_up.question(button=…, back=…)) is not None:
        return question

The question is the answer to the form that was sent; its own form goes to the same address with everything that was typed, so the
view runs again, with the proof in it. Who has no second factor yet gets one first (`enrolment`) and comes back the same way.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import enrolment, guard, kept
from webui.accounts import network_of
from webui.doorway import doorway
from webui.refusals import SHARED, sentence_of
from webui.sessions import visit
from webui.sheet import Sheet
from webui.texts import say

# Logging in counts, too: nobody proves it twice in a row.
FRESH = timedelta(minutes=10)
CODE, ANSWER = "factor_code", "factor_answer"
_CONFIRMED = "confirmed_at"


def is_fresh() -> bool:
    """Return whether the visitor showed a second factor a short while ago."""
    return _is_recent(visit().proven_at)


def question(*, button: str, back: str, anchor: str = "") -> Response | None:
    """Return the page that asks for the second factor; None once it was shown a short while ago.

    `button` is what the form's button says (a finished text), `back` the address for who does not want to; `anchor` names
    the place on the page that follows.
    """
    if is_fresh():
        return None
    address = flask.request.full_path.rstrip("?") + (f"#{anchor}" if anchor else "")
    standing = doorway().parts.factors.standing(guard.person().account_id)
    if not standing.is_any:
        enrolment.begin()
        return enrolment.page(address, kept.whole(), sends=True, needs_password=not is_password_fresh(), faults={})
    faults: Mapping[str, str] = {}
    if {CODE, ANSWER} & flask.request.form.keys():
        faults = _proof_faults()
        if not faults:
            return None
    page = flask.render_template(
        "step-up.html",
        address=address,
        fields=kept.whole(),
        sheet=Sheet({}, dict(faults)),
        standing=standing,
        button=button,
        back=back,
    )
    return flask.make_response(page, 422 if faults else 200)


def is_password_fresh() -> bool:
    """Return whether the visitor's password was typed a short while ago: what stands for a second factor before the first."""
    confirmed = visit().get(_CONFIRMED)
    times = [visit().since, datetime.fromisoformat(confirmed) if isinstance(confirmed, str) else None]
    return any(_is_recent(time) for time in times)


def confirm_password(password: str) -> None:
    """Check the visitor's password and remember when; raises Refused("password-wrong"), "throttled"."""
    doorway().parts.accounts.require_password(guard.person(), password)
    visit()[_CONFIRMED] = doorway().parts.clock.now().isoformat()


def _proof_faults() -> Mapping[str, str]:
    """Judge what was sent as proof and note it; return what is wrong with it."""
    form, parts, person = flask.request.form, doorway().parts, guard.person()
    try:
        if form.get(ANSWER):
            parts.passkeys.prove(person.door, visit().token_hash, form[ANSWER], person)
        elif form.get(CODE, "").strip():
            parts.factors.prove(person, form[CODE], network_of(flask.request.remote_addr))
        else:
            return {CODE: say(SHARED["required"].text)}
    except Refused as refused:
        return {CODE: sentence_of(SHARED, refused)}
    doorway().sessions.prove(visit())
    return {}


def _is_recent(instant: datetime | None) -> bool:
    return instant is not None and doorway().parts.clock.now() - instant <= FRESH
