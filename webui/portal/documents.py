"""The documents of an application: its form at any time, its approval notice from the start date on."""

import flask
from werkzeug.wrappers import Response

from registry import applications
from webui import downloads, guard
from webui.doorway import doorway
from webui.portal.parts import office_code, portal

blueprint = flask.Blueprint("documents", __name__, url_prefix="/applications")


@blueprint.get("/<string(length=7):receipt_number>/application-form.pdf")
@guard.customer()
def form(receipt_number: str) -> Response:
    """Hand out the application's form."""
    _require_own(receipt_number)
    return downloads.pdf(portal().documents.form(receipt_number), f"application-form-{receipt_number}.pdf")


@blueprint.get("/<string(length=7):receipt_number>/approval-notice.pdf")
@guard.customer()
def notice(receipt_number: str) -> Response:
    """Hand out the approval notice, as issued."""
    _require_own(receipt_number)
    return downloads.pdf(portal().documents.notice(receipt_number), f"approval-notice-{receipt_number}.pdf")


def _require_own(receipt_number: str) -> None:
    with doorway().parts.database.snapshot() as session:
        found = applications.find(session, receipt_number)
    if found is None or found.office_code != office_code():
        flask.abort(404)
