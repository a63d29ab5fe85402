"""The documents of an application as staff read them: the notice as soon as it is made."""

import flask
from werkzeug.wrappers import Response

from webui import guard, papers
from webui.center.parts import center

blueprint = flask.Blueprint("documents", __name__, url_prefix="/applications")


@blueprint.get("/<string(length=7):number>/application-form.pdf")
@guard.staff()
def form(number: str) -> Response:
    """Hand out an application's form."""
    return papers.download(center().documents.form(number), f"application-form-{number}.pdf")


@blueprint.get("/<string(length=7):number>/approval-notice.pdf")
@guard.staff()
def notice(number: str) -> Response:
    """Hand out an approval notice, as issued."""
    return papers.download(center().documents.notice(number, before_start=True), f"approval-notice-{number}.pdf")
