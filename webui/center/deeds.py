"""How staff do things: a page that says what will happen, and a button below it. Nothing happens on the first click.

A deed without input has one page: GET shows it, POST does it. A deed with input has a form before that: POST without
`step` checks what was typed and leads to the confirmation, which carries the input along; `step=do` does it, `step=back`
shows the form again with everything that was typed. The confirmation has an address of its own (`?confirm`): what was typed
waits in the visit and is checked anew whenever that address is read, so that reloading and the browser's Back send no form
again. A refusal leads back to the thing's own page, which shows its
present state; so pressing a button twice, or late, does no harm and says why nothing happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry.faults import FieldFault
from webui.center.sentences import sentence_of
from webui.sessions import visit
from webui.sheet import Sheet
from webui.words import fault_sentence

# In the address of a confirmation; in the visit, with what was typed there last.
_CONFIRM, _KEPT = "confirm", "deed"
# Shown above the page that follows: done, or not done and why.
DONE, REFUSED = "done", "warn"


@dataclass(frozen=True)
class Confirmation:
    """A confirmation page: what will be done to what, what that means, and how the button is called.

    `pairs` are names and texts; `notes` what follows from it; `cautions` what should make one stop; `carried` is typed
    input; `obstacle` tells why this person can not do it, and then there is no button.
    """

    title: str
    subject: str
    address: str
    button: str
    pairs: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    carried: Mapping[str, str] = field(default_factory=dict)
    is_final: bool = False
    obstacle: str = ""


def show(confirmation: Confirmation) -> Response | str:
    """Show a confirmation page; lead to it, when what it carries was sent just now."""
    if flask.request.method != "POST":
        return flask.render_template("confirm.html", deed=confirmation)
    visit()[_KEPT] = {"path": flask.request.path, "form": dict(confirmation.carried)}
    return flask.redirect(f"{flask.request.path}?{_CONFIRM}", 303)


def form() -> Mapping[str, str]:
    """Return what was sent: just now, or before the confirmation that is being read."""
    return flask.request.form if flask.request.method == "POST" else _kept() or {}


def is_sent() -> bool:
    """Return whether the button of the present page was pressed, or its confirmation is being read, which does nothing."""
    return flask.request.method == "POST" or _kept() is not None


def is_confirmed() -> bool:
    """Return whether the confirmation of a deed with input was pressed."""
    return flask.request.form.get("step") == "do"


def goes_back() -> bool:
    """Return whether the reader wants the form again."""
    return flask.request.form.get("step") == "back"


def carry_out(act: Callable[[], str], address: str) -> Response:
    """Do it and go on to the thing's page, which shows what `act` returned: a finished sentence; or why it was refused."""
    try:
        sentence, tone = act(), DONE
    except Refused as refused:
        sentence, tone = sentence_of(refused), REFUSED
    return arrive(address, sentence, tone)


def arrive(address: str, sentence: str, tone: str = DONE) -> Response:
    """Go on to a page that shows a finished sentence above its content; what was typed for a confirmation is done with."""
    visit().pop(_KEPT, None)
    flask.flash(sentence, tone)
    return flask.redirect(address, 303)


def typed(*names: str) -> Sheet:
    """Return what stands in the fields of the sent form, as it was typed."""
    sent = form()
    return Sheet({name: sent.get(name, "") for name in names})


def with_fault(sheet: Sheet, fault: FieldFault) -> Sheet:
    """Return a form with what is wrong with one of its fields."""
    return sheet.with_faults({fault.field: fault_sentence(fault)})


def _kept() -> Mapping[str, str] | None:
    """Return what was typed for the confirmation that is being read; None on any other page."""
    kept = visit().get(_KEPT)
    if flask.request.method != "GET" or _CONFIRM not in flask.request.args or not isinstance(kept, dict):
        return None
    return dict(kept["form"]) if kept["path"] == flask.request.path else None
