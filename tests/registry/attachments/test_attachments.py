"""Attachments on both databases: a row has its file, a file its row, and both belong to one office."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernel.database import Database
from kernel.errors import Refused, Unavailable
from registry import attachments as room
from registry.applications import Applications, Review
from registry.attachments import Attachments, Limits, Store
from registry.attachments.store import Aside
from registry.drafts import Customer, Draft, Drafts
from registry.faults import Invalid
from tests.registry.attachments.samples import GOOD, PDF, PNG
from tests.registry.conftest import HANAKO, SATO, Fill
from tests.support.clock import SettableClock

pytestmark = pytest.mark.usefixtures("terminal")
TARO = Customer("NAC001", "taro")


@pytest.fixture
def attachments(database: Database, clock: SettableClock, tmp_path: Path) -> Attachments:
    """Return the use cases over a folder that is not there yet."""
    return Attachments(database, clock, Store(tmp_path / "attachments"), Limits(most=3, octets=1024 * 1024))


def contents(attachments: Attachments) -> set[str]:
    return set(attachments.store.digests())


def test_a_file_goes_with_the_draft_into_the_application(
    database: Database, attachments: Attachments, applications: Applications, fill: Fill, drafts: Drafts
) -> None:
    draft = fill()
    (sent,) = attachments.attach(HANAKO, draft.id, [("../見積書.pdf", PDF)])
    assert (sent.name, sent.size, sent.attached_by) == ("見積書.pdf", len(PDF), "customer:NAC001/hanako")
    fresh = drafts.load(HANAKO)
    assert fresh is not None
    with pytest.raises(Refused, match="draft-stale"):
        applications.submit(HANAKO, draft.id, version=draft.version)
    number = applications.submit(HANAKO, draft.id, version=fresh.version)
    found, content = attachments.read(number, sent.id, office_code="NAC001")
    assert (found.name, found.version, content) == ("見積書.pdf", 1, PDF)
    with database.snapshot() as session:
        assert [one.id for one in room.of_application(session, number)] == [sent.id]
    assert attachments.purge(attachments.clock.now()) == 0
    assert attachments.lost() == ()


def test_only_the_own_office_and_the_own_draft_are_read(attachments: Attachments, applications: Applications, fill: Fill) -> None:
    draft = fill()
    (sent,) = attachments.attach(HANAKO, draft.id, [("a.pdf", PDF)])
    assert attachments.read_own(HANAKO, draft.id, sent.id)[1] == PDF
    for stranger in (TARO, Customer("NAC002", "hanako")):
        with pytest.raises(Refused, match="attachment-unknown"):
            attachments.read_own(stranger, draft.id, sent.id)
        with pytest.raises(Refused, match="draft-unknown"):
            attachments.attach(stranger, draft.id, [("a.png", PNG)])
        with pytest.raises(Refused, match="draft-unknown"):
            attachments.detach(stranger, draft.id, sent.id)
    number = applications.submit(HANAKO, draft.id, version=draft.version + 1)
    with pytest.raises(Refused, match="attachment-unknown"):
        attachments.read(number, sent.id, office_code="NAC002")
    with pytest.raises(Refused, match="attachment-unknown"):
        attachments.read("260002A", sent.id)
    assert attachments.read(number, sent.id)[1] == PDF


def test_files_are_closed_to_others_and_kept_once(attachments: Attachments, fill: Fill) -> None:
    draft = fill()
    attachments.attach(HANAKO, draft.id, [("a.pdf", PDF), ("b.pdf", PDF)])
    (path,) = [path for path in attachments.store.folder.rglob("*") if path.is_file()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, attachments.store.folder)} == {0o700}
    (again,) = attachments.attach(HANAKO, draft.id, [("a.pdf", PDF)])
    assert again.name == "a.pdf"
    assert sorted(one.name for one in attachments.of_draft(draft.id)) == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ([("a.exe", b"MZ"), ("b.pdf", PNG)], ["file-type", "file-content"]),
        ([("a.pdf", PDF + bytes(1024 * 1024))], ["file-large"]),
        ([(name, GOOD[name]) for name in ("a.pdf", "a.png", "a.jpg", "a.txt")], ["files-most"]),
    ],
)
def test_faults_are_told_and_nothing_is_kept(
    attachments: Attachments, fill: Fill, files: list[tuple[str, bytes]], codes: list[str]
) -> None:
    draft = fill()
    with pytest.raises(Invalid) as refused:
        attachments.attach(HANAKO, draft.id, files)
    assert [fault.code for fault in refused.value.faults] == codes
    assert attachments.of_draft(draft.id) == ()
    assert not attachments.store.folder.exists()


def test_a_draft_never_has_more_files_than_it_may(attachments: Attachments, fill: Fill) -> None:
    draft = fill()
    attachments.attach(HANAKO, draft.id, [("a.pdf", PDF), ("a.png", PNG)])
    with pytest.raises(Invalid):
        attachments.attach(HANAKO, draft.id, [("a.jpg", GOOD["a.jpg"]), ("a.txt", GOOD["a.txt"])])
    assert len(attachments.of_draft(draft.id)) == 2
    assert not list(attachments.store.folder.glob(".new-*"))


def test_what_was_taken_back_or_discarded_is_purged(attachments: Attachments, drafts: Drafts, fill: Fill) -> None:
    draft, now = fill(), attachments.clock.now()
    pdf, png = attachments.attach(HANAKO, draft.id, [("a.pdf", PDF), ("a.png", PNG)])
    attachments.detach(HANAKO, draft.id, pdf.id)
    attachments.detach(HANAKO, draft.id, pdf.id)
    assert attachments.purge(now) == 1
    assert contents(attachments) == {png.sha256}
    drafts.discard(HANAKO, draft.id)
    assert attachments.purge(now) == 1
    assert contents(attachments) == set()
    assert attachments.purge(now) == 0


def test_what_somebody_else_sent_too_stays(attachments: Attachments, drafts: Drafts, fill: Fill) -> None:
    mine, theirs = fill(), fill(customer=TARO)
    attachments.attach(HANAKO, mine.id, [("a.pdf", PDF)])
    (other,) = attachments.attach(TARO, theirs.id, [("b.pdf", PDF)])
    drafts.discard(HANAKO, mine.id)
    assert attachments.purge(attachments.clock.now()) == 0
    assert attachments.read_own(TARO, theirs.id, other.id)[1] == PDF


def test_a_file_whose_transaction_broke_is_purged(attachments: Attachments, fill: Fill) -> None:
    del fill
    store, now = attachments.store, attachments.clock.now()
    placed, aside = store.write_aside(PDF), store.write_aside(PNG)
    store.place(placed)
    assert attachments.purge(now) == 1
    assert contents(attachments) == set()
    assert aside.path.exists()
    os.close(aside.descriptor)  # as when its process ends
    assert attachments.purge(now) == 1
    assert not aside.path.exists()


class FullStore(Store):
    """A store whose disk is full when a file is to be put into its place."""

    def place(self, aside: Aside) -> None:
        """Fail."""
        raise Unavailable(aside.sha256)


def test_a_row_never_comes_without_its_file(attachments: Attachments, fill: Fill) -> None:
    draft = fill()
    full = Attachments(attachments.database, attachments.clock, FullStore(attachments.store.folder))
    with pytest.raises(Unavailable):
        full.attach(HANAKO, draft.id, [("a.pdf", PDF)])
    assert full.of_draft(draft.id) == ()
    assert not [path for path in attachments.store.folder.rglob("*") if path.is_file()]


def test_sending_and_purging_at_once_lose_nothing(attachments: Attachments, fill: Fill) -> None:
    owners = [Customer("NAC001", login) for login in ("hanako", "taro")]
    begun: list[Draft] = [fill(customer=owner) for owner in owners]
    now = attachments.clock.now()

    def send_and_take_back(at: int) -> None:
        for _ in range(6):
            (sent,) = attachments.attach(owners[at], begun[at].id, [("a.pdf", PDF)])
            attachments.read_own(owners[at], begun[at].id, sent.id)
            attachments.detach(owners[at], begun[at].id, sent.id)
        attachments.attach(owners[at], begun[at].id, [("a.pdf", PDF)])

    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(send_and_take_back, at) for at in (0, 1)]
        while not all(one.done() for one in work):
            attachments.purge(now)
        for one in work:
            one.result()
    attachments.purge(now)
    assert attachments.lost() == ()
    assert len(contents(attachments)) == 1


def test_a_file_that_is_gone_or_altered_is_told(attachments: Attachments, fill: Fill) -> None:
    draft = fill()
    (sent,) = attachments.attach(HANAKO, draft.id, [("a.pdf", PDF)])
    path = attachments.store.folder / sent.sha256[:2] / sent.sha256
    path.write_bytes(PNG)
    with pytest.raises(Refused, match="attachment-lost"):
        attachments.read_own(HANAKO, draft.id, sent.id)
    path.unlink()
    with pytest.raises(Refused, match="attachment-lost"):
        attachments.read_own(HANAKO, draft.id, sent.id)
    assert attachments.lost() == (sent.sha256,)


def test_an_answer_brings_files(
    attachments: Attachments, applications: Applications, review: Review, fill: Fill, database: Database
) -> None:
    draft = fill()
    number = applications.submit(HANAKO, draft.id, version=draft.version)
    with pytest.raises(Refused, match="application-state"), attachments.sent([("a.pdf", PDF)]) as sent:
        applications.answer(HANAKO, number, "はい", sent)
    review.query(number, "図面をお送りください。", actor=SATO)
    with attachments.sent([("図面.pdf", PDF)]) as sent:
        applications.answer(HANAKO, number, "送ります。", sent)
    with database.snapshot() as session:
        (one,) = room.of_application(session, number)
    assert (one.name, one.version) == ("図面.pdf", 1)
    assert attachments.read(number, one.id, office_code="NAC001")[1] == PDF
