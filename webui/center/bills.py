"""An office's bills as staff read them: the same months, lines and files that the office sees."""

import flask
from werkzeug.wrappers import Response

from registry import offices
from registry.billing import reading
from webui import billing, downloads, guard
from webui.center.parts import center
from webui.doorway import doorway

blueprint = flask.Blueprint("bills", __name__, url_prefix="/offices/<code>/bills")


@blueprint.get("/")
@guard.staff()
def listed(code: str) -> str:
    """Show a year's months, newest first."""
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, code) or flask.abort(404)
        years, year = billing.years_of(session, code)
        bills = reading.of_year(session, code, year) if year else ()
    return flask.render_template("bills.html", office=office, years=billing.year_tabs(years), year=year, bills=bills)


@blueprint.get("/<string(length=7):month>")
@guard.staff()
def show(code: str, month: str) -> str:
    """Show a month's bill."""
    with doorway().parts.database.snapshot() as session:
        bill = billing.bill_of(session, code, billing.month_of(month))
        office = offices.get(session, code)
    return flask.render_template("bill.html", bill=bill, office=office)


@blueprint.get("/<string(length=7):month>/bill.csv")
@guard.staff()
def spreadsheet(code: str, month: str) -> Response:
    """Hand out a month's bill for spreadsheets."""
    with doorway().parts.database.snapshot() as session:
        bill = billing.bill_of(session, code, billing.month_of(month))
    return billing.spreadsheet(bill)


@blueprint.get("/<string(length=7):month>/bill.pdf")
@guard.staff()
def document(code: str, month: str) -> Response:
    """Hand out a month's bill as PDF."""
    return downloads.pdf(center().documents.bill(code, billing.month_of(month)), f"bill-{code}-{month}.pdf")
