"""請求金額の参照: the office's closed months, each with its lines, as a page, for spreadsheets, and as PDF."""

import flask
from werkzeug.wrappers import Response

from registry import offices
from registry.billing import reading
from webui import billing, downloads, guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal

blueprint = flask.Blueprint("bills", __name__, url_prefix="/bills")


@blueprint.get("/")
@guard.customer(right=Right.BILLING)
def listed() -> str:
    """Show a year's months, newest first."""
    with doorway().parts.database.snapshot() as session:
        years, year = billing.years_of(session, office_code())
        bills = reading.of_year(session, office_code(), year) if year else ()
    return flask.render_template("bills.html", years=billing.year_tabs(years), year=year, bills=bills)


@blueprint.get("/<string(length=7):month>")
@guard.customer(right=Right.BILLING)
def show(month: str) -> str:
    """Show a month's bill."""
    with doorway().parts.database.snapshot() as session:
        bill = billing.bill_of(session, office_code(), billing.month_of(month))
        office = offices.get(session, office_code())
    return flask.render_template("bill.html", bill=bill, office=office)


@blueprint.get("/<string(length=7):month>/bill.csv")
@guard.customer(right=Right.BILLING)
def spreadsheet(month: str) -> Response:
    """Hand out a month's bill for spreadsheets."""
    with doorway().parts.database.snapshot() as session:
        bill = billing.bill_of(session, office_code(), billing.month_of(month))
    return billing.spreadsheet(bill)


@blueprint.get("/<string(length=7):month>/bill.pdf")
@guard.customer(right=Right.BILLING)
def document(month: str) -> Response:
    """Hand out a month's bill as PDF."""
    content = portal().documents.bill(office_code(), billing.month_of(month))
    return downloads.pdf(content, f"bill-{office_code()}-{month}.pdf")
