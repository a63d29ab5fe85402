"""The reader of uploaded PDF files. The way to the signatures takes a tenth of a second: few inputs come of what is signed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from asn1crypto import cms

from enrollment.documents.examination import Examination, Outcome
from enrollment.documents.examiner import examine
from kernel.database import connect
from tests.fuzz import mutation
from tests.fuzz.trial import Read, Target, trusting_a_length
from tests.support.clock import MORNING, SettableClock
from tests.support.documents import equipment, root_der
from tests.support.house import build_house
from tests.support.schema import whole_schema

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


def blank() -> bytes:
    """Return a file of one empty page."""
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Resources << >> /Contents 4 0 R >>",
        b"<< /Length 3 >>\nstream\nq Q\nendstream",
    )
    file, places = b"%PDF-1.7\n", b""
    for number, content in enumerate(objects, start=1):
        places += b"%010d 00000 n \n" % len(file)
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, places)
    return file + table + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(file))


@cache
def made() -> tuple[bytes, bytes, bytes]:
    """Return a small file without signature, the same with ours, and our root."""
    plain = blank()
    with TemporaryDirectory() as folder:
        database = connect(f"sqlite:///{folder}/house.sqlite")
        whole_schema().create_all(database.engine)
        house = build_house(database, Path(folder), SettableClock())
        ready = equipment(house, MORNING)
        signed = ready.signer.sign(plain, ready.evidence, MORNING)
        database.dispose()
        return plain, signed, root_der(house)


def _seeds() -> Sequence[bytes]:
    plain, signed, _ = made()
    return [plain, signed]


def _open() -> Read:
    _, _, root = made()

    def read(content: bytes) -> Examination:
        found = examine(content, [root], datetime(2026, 11, 25, tzinfo=UTC))
        if found.outcome is Outcome.UNREADABLE:
            raise Unreadable
        return found

    return read


def _agree(content: bytes, taken: Examination) -> None:
    """Only the file that was signed is whole; or one that differs in the certificates of the last stamp, which none covers.

    The door compares octets with what was issued, so that the latter is told to be altered (`enrollment.documents.verification`).
    """
    signed = made()[1]
    if content == signed:
        assert taken.outcome is Outcome.WHOLE
    elif taken.outcome is Outcome.WHOLE:
        begin = signed.rindex(b"/Contents <") + len(b"/Contents <")
        end = signed.index(b">", begin)
        assert (content[:begin], content[end:]) == (signed[:begin], signed[end:])
        assert _covered(content[begin:end]) == _covered(signed[begin:end])


def _covered(stamp: bytes) -> tuple[bytes, bytes]:
    """Return what a stamp signs and its signature, of its CMS message in hexadecimal."""
    message = cms.ContentInfo.load(bytes.fromhex(stamp.decode("ascii")))["content"]
    return message["encap_content_info"].dump(), message["signer_infos"].dump()


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
