"""What a document says, in its text and in the facts that are attached; and that it is what it claims to be."""

import json
import shutil
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from enrollment.documents import facts
from enrollment.documents.children import Children
from enrollment.documents.examination import Outcome
from enrollment.documents.facts import Edition, Facts
from enrollment.documents.typesetting import typeset
from kernel.clock import tokyo_date
from registry.items import GROUPS
from tests.enrollment.documents.conftest import Made
from tests.support.documents import PUBLISHER
from tests.support.required import missing

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
# Markup of typst, of PDF and of HTML: all of it is text here.
HOSTILE = '#panic("x") $a$ *b* _c_ `d` <e> @f [g] \\ ) endobj // 1 + -"'


def form(made: Made) -> dict[str, Any]:
    with made.house.database.snapshot() as session:
        return dict(facts.application_form(session, made.receipt_number, PUBLISHER))


def notice(made: Made) -> dict[str, Any]:
    with made.house.database.snapshot() as session:
        edition = Edition(1, tokyo_date(made.clock.now()))
        return dict(facts.approval_notice(session, made.receipt_number, edition, PUBLISHER))


def text_of(content: bytes, folder: Path) -> str:
    """Return what can be read in a PDF, without white space: as a reader's search finds it."""
    if shutil.which("pdftotext") is None:
        missing("pdftotext (Debian's poppler-utils)")
    (folder / "file.pdf").write_bytes(content)
    told = subprocess.run(["pdftotext", "-layout", str(folder / "file.pdf"), "-"], capture_output=True, check=True).stdout
    return "".join(told.decode().split())


def attached(content: bytes) -> Facts:
    """Return the facts that are attached to a document."""
    names = PdfFileReader(BytesIO(content)).root["/Names"]["/EmbeddedFiles"]["/Names"]
    assert names[0] == "facts.json"
    specification = names[1].get_object()
    assert specification["/AFRelationship"] == "/Data"
    told: Facts = json.loads(specification["/EF"]["/F"].data)
    return told


def test_the_notice_says_what_was_approved_and_no_code(made: Made, tmp_path: Path) -> None:
    told = notice(made)
    assert attached(made.content) == told
    text = text_of(made.content, tmp_path)
    start = datetime.fromisoformat(told["start_date"])
    expected = [
        "システムサービス利用契約変更承認通知",
        f"受付番号：{made.receipt_number}",
        f"{start.year}年{start.month}月{start.day}日",
        told["office"]["company"],
        "代表取締役通関太郎様",
        "新規発行",
        "https://localhost:8443/verify",
        *(terminal["name"] for terminal in told["terminals"]),
    ]
    assert [words for words in expected if words not in text] == []
    assert len(told["terminals"]) == 2


def test_the_form_says_what_was_applied_for_with_the_whole_table_of_items(made: Made, tmp_path: Path) -> None:
    told = form(made)
    content = typeset(told, NOW)
    assert attached(content) == told
    text = text_of(content, tmp_path)
    items = [item for group in GROUPS for item in group.items]
    assert "■netNACCS端末の登録情報" in text
    assert text.count("□") == len(items) - 1
    expected = ["申込担当者", "通関次郎", "ツウカンジロウ", "jiro@example.jp", "（新規）2台", "特になし", "NAC001"]
    assert [words for words in expected if words not in text] == []


@pytest.mark.parametrize("kind", [form, notice])
def test_it_claims_to_be_archivable_and_accessible_and_is_the_same_each_time(made: Made, kind: Any) -> None:  # noqa: ANN401
    told = kind(made)
    content = typeset(told, NOW)
    assert typeset(told, NOW) == content
    assert typeset(told, NOW + timedelta(seconds=1)) != content
    root = PdfFileReader(BytesIO(content)).root
    metadata = root["/Metadata"].data.decode()
    for claim in ("<pdfaid:part>3<", "<pdfaid:conformance>A<", "<pdfuaid:part>1<"):
        assert claim in metadata
    assert root["/Lang"] == "ja-JP"
    assert root["/MarkInfo"]["/Marked"]


def test_what_was_typed_is_text_and_never_markup(made: Made, tmp_path: Path) -> None:
    told = form(made) | {"remarks": HOSTILE + "\n二行目"}
    content = typeset(told, NOW)
    assert attached(content)["remarks"] == told["remarks"]
    assert "".join(HOSTILE.split()) in text_of(content, tmp_path)


def test_a_character_that_the_typefaces_lack_appears_as_a_geta_and_stays_in_the_facts(made: Made, tmp_path: Path) -> None:
    told = form(made) | {"remarks": "김さんの端末"}
    content = typeset(told, NOW)
    assert "〓さんの端末" in text_of(content, tmp_path)
    assert attached(content)["remarks"] == "김さんの端末"


def test_two_hundred_terminals_make_more_pages_with_the_heads_repeated(made: Made, tmp_path: Path) -> None:
    told = notice(made)
    one = told["terminals"][0]
    told["terminals"] = [one | {"name": f"{number:05}W"} for number in range(200)]
    content = typeset(told, NOW)
    pages = PdfFileReader(BytesIO(content)).root["/Pages"]["/Count"]
    assert pages > 4
    assert text_of(content, tmp_path).count("No.申込内容論理端末名") >= pages - 1


def test_the_press_of_its_own_makes_the_same(made: Made) -> None:
    told = form(made)
    assert Children(patience=60).typeset(told, NOW) == typeset(told, NOW)


def test_a_press_that_fails_is_a_fault_of_ours(made: Made) -> None:
    with pytest.raises(RuntimeError, match="could not be set"):
        Children(patience=60).typeset({"document": "poem"}, made.clock.now())


def _with_stream(packed: bytes) -> bytes:
    head = b"1 0 obj\n<< /Type /XRef /Size 10000000 /W [1 4 2] /Root 2 0 R /Filter /FlateDecode /Length %d >>\nstream\n"
    return b"%PDF-1.7\n" + head % len(packed) + packed + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_with_stream(zlib.compress(bytes(1 << 28), 9)), id="a bomb"),
        pytest.param(
            b"%PDF-1.7\n1 0 obj\n"
            + b"[" * 100_000
            + b"]" * 100_000
            + b"\nendobj\nxref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n"
            b"trailer << /Size 2 /Root 1 0 R >>\nstartxref\n200024\n%%EOF\n",
            id="a pit",
        ),
    ],
)
def test_a_file_that_would_take_all_memory_or_the_stack_is_unreadable(made: Made, content: bytes) -> None:
    assert Children(patience=60).examine(content, [made.root], made.clock.now()).outcome is Outcome.UNREADABLE
