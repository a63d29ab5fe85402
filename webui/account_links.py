"""Where one-time links lead that set a password. The secret comes in the address's fragment, or is typed; no address holds it."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard
from webui.account_words import sentence_of
from webui.accounts import PasswordLinks, Person, UserLetters, network_of
from webui.doorway import doorway
from webui.proving import arrival
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import say

blueprint = flask.Blueprint("account_links", __name__)

_FIELDS = ("code", "new_password", "new_password_again")
_OF_CODE = frozenset({"link-invalid"})


@blueprint.get("/account/password")
@guard.public
def password() -> str:
    """Show the form for a password of who was invited, or forgot theirs."""
    return flask.render_template("account-password.html", sheet=Sheet())


@blueprint.post("/account/password")
@guard.public
def choose_password() -> Response:
    """Set the password that was typed, if the link is good."""
    form = flask.request.form
    sheet = Sheet({"code": form.get("code", "").strip()})
    person: Person | None = None
    faults = {name: say(SHARED["required"].text) for name in _FIELDS if not form.get(name)}
    if not faults and form["new_password"] != form["new_password_again"]:
        faults = {"new_password_again": say(SHARED["password-differs"].text)}
    if not faults:
        source = network_of(flask.request.remote_addr)
        try:
            person = password_links().choose(doorway().furnishing.door, sheet["code"], form["new_password"], source=source)
        except Refused as refused:
            faults = {"code" if refused.code in _OF_CODE else "new_password": sentence_of(refused)}
    if person is None:
        return flask.make_response(flask.render_template("account-password.html", sheet=sheet.with_faults(faults)), 422)
    device = doorway().parts.log_ins.remember(person, arrival.present_device())
    return arrival.keep_device(flask.redirect(flask.url_for("account_links.chosen"), 303), device)


@blueprint.get("/account/password/chosen")
@guard.public
def chosen() -> str:
    """Say that the password is set, and lead on to the log-in page."""
    return flask.render_template("account-password-chosen.html")


def password_links() -> PasswordLinks:
    """Return the use cases of links that set a password."""
    parts = doorway().parts
    return PasswordLinks(parts.database, parts.clock, UserLetters(parts.letters), parts.accounts.passwords)
