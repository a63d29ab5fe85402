"""A bill as PDF: what it says, in its text and in the facts that are attached, and that hostile words are words."""

import json
import shutil
import subprocess
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from enrollment.documents.bills import facts_of
from enrollment.documents.facts import Facts as Told
from enrollment.documents.typesetting import typeset
from kernel.clock import day_start
from registry.billing.bills import Facts, Payer, Usage, bill_of
from registry.billing.months import Month
from registry.billing.prices import read_prices
from registry.states import PaymentMethod, PricePlan
from tests.enrollment.documents.test_typesetting import HOSTILE
from tests.support.documents import PUBLISHER
from tests.support.required import missing

OCTOBER, CLOSED = Month(2026, 10), day_start(date(2026, 11, 1))
PAYER = Payer(
    "請求先株式会社",
    "1000000",
    "東京都架空区",
    "経理　一郎",
    "1234567",
    PaymentMethod.DEBIT,
    "ナックス商事株式会社",
    "東京営業所",
)
USAGE = (
    Usage("1", "NAC001", Month(2026, 9), "NAC01", HOSTILE, 3, "件", -1_340),
    Usage("2", "NAC001", OCTOBER, "", "電文", 1_234_567, "KB", 1_000_000),
)
FULL = Facts(OCTOBER, PricePlan.A, tuple(f"{number:05}W" for number in range(300)), ("NAC01",), (), USAGE)


def told(facts: Facts) -> Told:
    return facts_of(bill_of("NAC001", facts, PAYER, read_prices()), CLOSED, PUBLISHER)


def text_of(pdf: bytes, folder: Path) -> str:
    if shutil.which("pdftotext") is None:
        missing("pdftotext (Debian's poppler-utils)")
    (folder / "bill.pdf").write_bytes(pdf)
    command = ["pdftotext", "-layout", str(folder / "bill.pdf"), "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def test_a_bill_says_its_lines_and_sums(tmp_path: Path) -> None:
    facts = told(FULL)
    pdf = typeset(facts, CLOSED)
    text = text_of(pdf, tmp_path)
    for words in (
        "請求明細書",
        "NAC001-2026-10",
        "1,500,000",
        "1,234,567KB",
        "△1,340",
        "2,499,660",
        "249,966",
        "2,749,626",
        "口座振替",
    ):
        assert words in text, words
    assert "00299W" in text
    assert "#panic" in text
    attached = PdfFileReader(BytesIO(pdf)).root["/Names"]["/EmbeddedFiles"]["/Names"][1]["/EF"]["/F"]
    assert json.loads(attached.data) == facts


def test_the_same_bill_has_the_same_octets() -> None:
    assert typeset(told(FULL), CLOSED) == typeset(told(FULL), CLOSED)


@pytest.mark.parametrize("plan", [None, PricePlan.B])
def test_a_month_with_nothing_to_pay_says_so(tmp_path: Path, plan: PricePlan | None) -> None:
    assert "この月のご利用料金はありません。" in text_of(typeset(told(Facts(OCTOBER, plan)), CLOSED), tmp_path)
