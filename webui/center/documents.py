"""The documents of an application as staff read them: the notice as soon as it is made."""

import flask
from werkzeug.wrappers import Response

from webui import downloads, guard
from webui.center.parts import center

blueprint = flask.Blueprint("documents", __name__, url_prefix="/applications")


@blueprint.get("/<string(length=7):receipt_number>/application-form.pdf")
@guard.staff()
def form(receipt_number: str) -> Response:
    """Hand out an application's form."""
    return downloads.pdf(center().documents.form(receipt_number), f"application-form-{receipt_number}.pdf")


@blueprint.get("/<string(length=7):receipt_number>/approval-notice.pdf")
@guard.staff()
def notice(receipt_number: str) -> Response:
    """Hand out an approval notice, as issued."""
    return downloads.pdf(center().documents.notice(receipt_number, before_start=True), f"approval-notice-{receipt_number}.pdf")
