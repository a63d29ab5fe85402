"""Bills as both doors show them: words for lines, the file for spreadsheets, sums."""

from collections.abc import Iterable, Mapping

import flask
from sqlalchemy.orm import Session

from registry.billing import reading
from registry.billing.bills import Bill, BillLine
from registry.billing.months import Month, read_month
from registry.billing.prices import Item
from webui import spreadsheets
from webui.texts import gettext, mark, say, show_month

ITEMS: Mapping[Item, str] = {
    Item.TERMINAL: mark("論理端末 基本料(料金プランA)"),
    Item.STATISTICS: mark("管理統計資料(有料分)"),
    Item.STORAGE: mark("保管管理資料保存サービス"),
}
_COUNTED: Mapping[Item, str] = {
    Item.TERMINAL: mark("%(count)s端末"),
    Item.STATISTICS: mark("%(count)s利用者コード"),
    Item.STORAGE: mark("%(count)s利用者コード"),
}
_UNITS: Mapping[Item, str] = {
    Item.TERMINAL: mark("論理端末"),
    Item.STATISTICS: mark("利用者コード"),
    Item.STORAGE: mark("利用者コード"),
}
SUBTOTAL, TOTAL = mark("小計(税抜)"), mark("合計(税込)")
_HEADS = (
    mark("対象月"),
    mark("事業所コード"),
    mark("項目"),
    mark("内訳"),
    mark("利用月"),
    mark("数量"),
    mark("単位"),
    mark("単価"),
    mark("税抜金額"),
)


def month_of(text: str) -> Month:
    """Return the month in an address, which is written in one way only; otherwise the page is not found."""
    month = read_month(text)
    if month is None or str(month) != text:
        flask.abort(404)
    return month


def bill_of(session: Session, office_code: str, month: Month) -> Bill:
    """Return an office's closed month; otherwise the page is not found."""
    return reading.find(session, office_code, month) or flask.abort(404)


def years_of(session: Session, office_code: str) -> tuple[tuple[int, ...], int]:
    """Return the years that have bills, and the one that is asked for, else the newest; 0 where there are none."""
    years = reading.years(session, office_code)
    asked = flask.request.args.get("year", "")
    chosen = next((year for year in years if str(year) == asked), years[0] if years else 0)
    return years, chosen


def year_tabs(years: Iterable[int]) -> list[tuple[int, str, str]]:
    """Return each year with its text and the address of its months, on the present page."""
    request = flask.request
    return [
        (year, say(mark("%(year)s年"), year=year), flask.url_for(request.endpoint or "", **(request.view_args or {}), year=year))
        for year in years
    ]


def line_name(line: BillLine) -> str:
    """Return what a line is for; metered use has the metering's own words."""
    return line.title if line.item is Item.USAGE else gettext(ITEMS[line.item])


def quantity(line: BillLine) -> str:
    """Write a line's quantity with its unit."""
    text = f"{line.quantity:,}"
    return f"{text}{line.unit}" if line.item is Item.USAGE else say(_COUNTED[line.item], count=text)


def yen(amount: int | None) -> str:
    """Write a sum; a dash for none."""
    return "—" if amount is None else say(mark("%(amount)s円"), amount=f"{amount:,}")


def month_name(month: Month) -> str:
    """Write a month in the reader's language."""
    return show_month(month.first)


def written_month(text: str) -> str:
    """Write a month that was noted as 2026-11 in the reader's language."""
    month = read_month(text)
    return month_name(month) if month else text


def spreadsheet(bill: Bill) -> flask.Response:
    """Answer with a bill's lines and sums as a file; numbers stand as numbers."""
    begin = (str(bill.month), bill.office_code)
    rows: list[tuple[str | int, ...]] = [(*begin, *_cells(line)) for line in bill.lines]
    tax = say(mark("消費税(%(percent)s%%)"), percent=bill.tax_percent)
    for name, amount in ((gettext(SUBTOTAL), bill.subtotal), (tax, bill.tax), (gettext(TOTAL), bill.total)):
        rows.append((*begin, name, "", "", "", "", "", amount))
    return spreadsheets.download(f"bill-{bill.office_code}-{bill.month}.csv", [gettext(head) for head in _HEADS], rows)


def _cells(line: BillLine) -> tuple[str | int, ...]:
    unit = line.unit if line.item is Item.USAGE else gettext(_UNITS[line.item])
    price = "" if line.price is None else line.price
    return line_name(line), " ".join(line.subjects), str(line.month), line.quantity, unit, price, line.amount


def equip(names: dict[str, object]) -> None:
    """Give templates what they write bills by."""
    names |= {
        "SUBTOTAL": SUBTOTAL,
        "TOTAL": TOTAL,
        "bill_line": line_name,
        "bill_month": month_name,
        "bill_quantity": quantity,
        "yen": yen,
    }
