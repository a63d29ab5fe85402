"""A forgotten password: a mail with a link, if there is such an account; the page says the same in any case."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard
from webui.account_links import password_links
from webui.account_words import sentence_of
from webui.accounts import Forgotten, network_of
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import say

blueprint = flask.Blueprint("forgotten", __name__)

_FIELDS = ("office_code", "user", "mail")


@blueprint.get("/forgotten")
@guard.public
def show() -> str:
    """Show the form."""
    return flask.render_template("forgotten.html", sheet=Sheet(), refusal=None)


@blueprint.post("/forgotten")
@guard.public
def ask() -> Response | str:
    """Note the request; what comes of it is known to the mailbox only."""
    sheet = Sheet({name: flask.request.form.get(name, "").strip() for name in _FIELDS})
    faults = {name: say(SHARED["required"].text) for name in _FIELDS if not sheet[name]}
    if faults:
        return flask.make_response(flask.render_template("forgotten.html", sheet=sheet.with_faults(faults), refusal=None), 422)
    source = network_of(flask.request.remote_addr)
    try:
        password_links().ask(Forgotten(sheet["office_code"], sheet["user"], sheet["mail"], source))
    except Refused as refused:
        page = flask.render_template("forgotten.html", sheet=sheet, refusal=sentence_of(refused))
        response = flask.make_response(page, 429)
        response.headers["Retry-After"] = str(refused.facts["retry_after"])
        return response
    return flask.redirect(flask.url_for("forgotten.asked"), 303)


@blueprint.get("/forgotten/asked")
@guard.public
def asked() -> str:
    """Say what happens next, to everybody alike."""
    return flask.render_template("forgotten-asked.html")
