"""The reader of uploaded PDF files, which takes milliseconds and not microseconds: it has fewer inputs than the others."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pyhanko.pdf_utils.generic import StreamObject
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from enrollment.documents.examination import Examination, Outcome
from enrollment.documents.examiner import examine
from kernel.database import connect
from tests.fuzz import mutation
from tests.fuzz.trial import Read, Target, trusting_a_length
from tests.support.clock import MORNING, SettableClock
from tests.support.documents import equipment, root_der
from tests.support.house import build_house
from tests.support.schema import whole_schema

# So many in the suite; a few of them reach as far as the signatures, which takes a tenth of a second each.
INPUTS = 5_000
_PIECES = (
    *(
        b"<<",
        b">>",
        b"[",
        b"]",
        b"(",
        b")",
        b"<",
        b">",
        b"/",
        b"%",
        b"\n",
        b"\x00",
        b"\xff",
        b"R",
        b"0 0 R",
        b"1 0 R",
        b"-1",
        b"1e9",
    ),
    *(b"obj", b"endobj", b"stream\n", b"endstream", b"xref\n", b"trailer", b"startxref\n0\n%%EOF\n", b"/Length 99999999999"),
    *(
        b"/Type /Sig",
        b"/ByteRange [0 1 2 3]",
        b"/Contents <30>",
        b"/Filter /FlateDecode",
        b"/Prev 0",
        b"/Kids [1 0 R]",
        b"/FT /Sig",
    ),
    *(b"/Parent 1 0 R", b"/DocMDP", b"/Encrypt 1 0 R", b"/Root 1 0 R", b"/DSS << >>", b"99999999999999999999"),
)


class Unreadable(Exception):
    """A file that is no PDF for us."""


@cache
def _made() -> tuple[bytes, bytes, bytes]:
    """Return a small file without signature, the same with ours, and our root."""
    writer = PdfFileWriter()
    writer.insert_page(PageObject(contents=writer.add_object(StreamObject(stream_data=b"q Q")), media_box=(0, 0, 100, 100)))
    plain = BytesIO()
    writer.write(plain)
    with TemporaryDirectory() as folder:
        database = connect(f"sqlite:///{folder}/house.sqlite")
        whole_schema().create_all(database.engine)
        house = build_house(database, Path(folder), SettableClock())
        ready = equipment(house, MORNING)
        signed = ready.signer.sign(plain.getvalue(), ready.evidence, MORNING)
        database.dispose()
        return plain.getvalue(), signed, root_der(house)


def _seeds() -> Sequence[bytes]:
    plain, signed, _ = _made()
    return [plain, signed]


def _open() -> Read:
    _, _, root = _made()

    def read(content: bytes) -> Examination:
        found = examine(content, [root], datetime(2026, 11, 25, tzinfo=UTC))
        if found.outcome is Outcome.UNREADABLE:
            raise Unreadable
        return found

    return read


def _agree(content: bytes, taken: Examination) -> None:
    """Only the file that was signed is whole."""
    assert (taken.outcome is Outcome.WHOLE) == (content == _made()[1])


def _changed(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change octets anywhere, or the file's own words; mostly of the small file, which takes a tenth of the time."""
    some = seeds[:1] if len(seeds) > 1 and chance.randrange(12) else seeds
    if chance.randrange(3):
        return mutation.octets(chance, chance.choice(some))
    return mutation.text(*_PIECES)(chance, some)


def forgetting_the_stamp(read: Read) -> Read:
    """Plant a fault: what was signed once is whole, whatever became of it."""

    def careless(content: bytes) -> Examination:
        found: Examination = read(content)
        is_ours = found.outcome is Outcome.CHANGED and found.certificate
        return Examination(Outcome.WHOLE, found.signer, found.certificate) if is_ours else found

    return careless


TARGET = Target(
    "uploaded notices",
    _seeds,
    _open,
    refusals=(Unreadable,),
    agree=_agree,
    mutate=_changed,
    planted=(trusting_a_length, forgetting_the_stamp),
)
