"""Files of metered use: everything that is wrong is told with its line; what is right enters once."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.database import Database
from kernel.errors import Refused
from registry.billing.bills import Usage
from registry.billing.months import Month
from registry.billing.usage import enter
from registry.billing.usage_files import COLUMNS, Sheet, judge, read
from registry.offices import Office
from tests.support.clock import MORNING

NOVEMBER = Month(2026, 11)
GOOD = {
    "record": "2026-11/0001",
    "month": "2026-11",
    "office_code": "NAC001",
    "user_code": "NAC01",
    "title": "輸入申告",
    "quantity": "1,200",
    "unit": "件",
    "amount": "12345",
}
USAGE = Usage("2026-11/0001", "NAC001", NOVEMBER, "NAC01", "輸入申告", 1_200, "件", 12_345)


def written(*changes: dict[str, str], headings: list[str] | None = None, encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    rows = [list({**GOOD, **change}.values()) for change in changes]
    csv.writer(text).writerows([headings or list(COLUMNS), *rows])
    return text.getvalue().encode(encoding)


def _faults(sheet: Sheet) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.column, fault.code) for fault in sheet.faults]


@pytest.mark.parametrize("headings", [list(COLUMNS), list(COLUMNS.values())])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_good_line_is_read_under_either_headings(headings: list[str], encoding: str) -> None:
    sheet = read(written({}, headings=headings, encoding=encoding), NOVEMBER)
    assert ([line.usage for line in sheet.lines], sheet.faults) == ([USAGE], ())


def test_what_is_safe_is_normalised() -> None:
    typed = {
        "record": " ２０２６-11/0001",
        "month": "２０２６１１",
        "office_code": "ＮＡＣ001",
        "quantity": "1200",
        "amount": "¥12,345",
    }
    [line] = read(written(typed), NOVEMBER).lines
    assert line.usage == USAGE


def test_a_correction_may_be_below_zero_and_of_no_user_code() -> None:
    [line] = read(written({"amount": "-500", "user_code": "", "quantity": "0"}), NOVEMBER).lines
    assert (line.usage.amount, line.usage.user_code) == (-500, "")


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [
        ("record", "", "required"),
        ("record", "あ", "record"),
        ("record", "A" * 41, "record"),
        ("month", "", "required"),
        ("month", "2026-13", "month"),
        ("month", "11月", "month"),
        ("month", "2026-12", "month-future"),
        ("office_code", "NAC1", "office-code"),
        ("user_code", "nac01", "user-code"),
        ("title", "", "required"),
        ("title", "長" * 61, "too-long"),
        ("title", "a\nb", "character"),
        ("title", "\u202e", "character"),
        ("title", "𓀀", "unshowable"),
        ("unit", "あ" * 11, "too-long"),
        ("quantity", "-1", "number-most"),
        ("quantity", "1.5", "number"),
        ("quantity", "1,2", "number"),
        ("quantity", "9" * 5_000, "number-most"),
        ("amount", "", "required"),
        ("amount", "=1+1", "number"),
        ("amount", "1000000000000", "number-most"),
        ("amount", "一万", "number"),
    ],
)
def test_a_fault_is_told_with_its_line_and_column(column: str, text: str, code: str) -> None:
    sheet = read(written({"record": "A"}, {column: text}), NOVEMBER)
    assert _faults(sheet) == [(3, column, code)]
    assert len(sheet.lines) == 1


def test_all_faults_are_told_at_once_and_a_record_stands_once() -> None:
    sheet = read(written({}, {"month": "x", "amount": "y"}, {}), NOVEMBER)
    assert _faults(sheet) == [(3, "month", "month"), (3, "amount", "number"), (4, "record", "record-twice")]


@given(st.binary(max_size=300))
def test_no_file_breaks_the_reader(octets: bytes) -> None:
    assert read(octets, NOVEMBER).faults


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=30), min_size=1))
def test_no_cell_breaks_the_reader(change: dict[str, str]) -> None:
    text = written(change, encoding="utf-8").decode("utf-8", "replace") if _is_text(change) else ""
    sheet = read(text.encode("utf-8", "replace"), NOVEMBER)
    assert sheet.faults or sheet.lines


def _is_text(change: dict[str, str]) -> bool:
    return all(character < "\ud800" or character > "\udfff" for text in change.values() for character in text)


def test_a_file_is_compared_with_what_is_registered(database: Database, office: Office) -> None:
    assert office.code == "NAC001"
    octets = written({}, {"record": "B", "office_code": "XYZ999"}, {"record": "C", "user_code": "OTHER"})
    with database.snapshot() as session:
        assert _faults(judge(session, read(octets, NOVEMBER))) == [
            (3, "office_code", "office-unknown"),
            (4, "user_code", "user-code-unknown"),
        ]
    with database.transaction() as session:
        assert enter(session, [USAGE], MORNING) == 1
        assert enter(session, [USAGE], MORNING) == 0
    with database.snapshot() as session:
        again = judge(session, read(written({}, {"record": "D"}), NOVEMBER))
        assert ([line.is_known for line in again.lines], again.faults) == ([True, False], ())
        other = judge(session, read(written({"amount": "1"}), NOVEMBER))
        assert _faults(other) == [(2, "record", "record-differs")]
    with pytest.raises(Refused, match="record-differs"), database.transaction() as session:
        enter(session, [other.lines[0].usage], MORNING)
