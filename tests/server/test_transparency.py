"""What others can prove of the log at the public door, with scripts that share no code with us."""

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import delete, select, update

from ca.publication import FULL_TILE_SECONDS, Publication, create_app
from kernel import audit
from kernel.audit import AuditCheckpoint, AuditEntry, CheckpointSigner, TileName
from kernel.audit.sealing import AuditTree
from kernel.audit.tiles import AuditTile
from kernel.database import Database
from tests.support.clock import SettableClock
from tests.support.house import House, build_house
from tests.support.log_scripts import CUSTOMER, FROM_TILES, KEEPING, THIRD_PARTY, VERIFY, Told, run_lines, told
from tests.support.open_doors import serving

ORIGIN = "status.example.jp"
KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner(ORIGIN, KEY.public_key().public_bytes_raw(), KEY.sign)


@dataclass(frozen=True)
class Public:
    """A house whose log is sealed with a key of the test, and its status door."""

    house: House
    door: str
    folder: Path

    def write(self, count: int) -> None:
        """Add entries and seal them."""
        with self.house.database.transaction() as session:
            for number in range(count):
                actor = audit.customer("NAC001", "hanako")
                audit.record(
                    session,
                    now=self.house.clock.now(),
                    actor=actor,
                    action="codes.show",
                    subject=f"terminal:{number:05}W",
                    数=number,
                )
        audit.seal(self.house.database, SIGNER, now=self.house.clock.now())

    def receipt(self, index: int) -> Path:
        """Open the entry at a leaf; return the file."""
        file = self.folder / f"receipt-{index}-{len(list(self.folder.iterdir()))}.json"
        with self.house.database.snapshot() as session:
            entry = session.scalars(select(AuditEntry.id).where(AuditEntry.leaf_index == index)).one()
            file.write_text(audit.receipt(session, entry, check=KEY.public_key().verify).text(), encoding="utf-8")
        return file

    def checkpoint(self) -> Path:
        """Keep the newest checkpoint; return the file."""
        with self.house.database.snapshot() as session:
            newest = audit.latest_checkpoint(session)
        assert newest
        file = self.folder / f"checkpoint-{newest.size}"
        file.write_text(newest.note, encoding="utf-8")
        return file


def verified(*files: Path, vkey: str = str(SIGNER.verifier)) -> Told:
    return told(VERIFY, vkey, *files)


def grown(public: Public, *kept: Path) -> Path:
    """Make the proof of growth since a kept file from the door's tiles; return the file."""
    made = told(FROM_TILES, public.door, *kept)
    assert (made.status, made.err) == (0, "")
    file = public.folder / f"grown-{len(list(public.folder.iterdir()))}"
    file.write_text(made.out, encoding="utf-8")
    return file


@contextmanager
def opened(app: Flask) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    with serving(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: SettableClock) -> House:
    """Return a house on a fresh database of either kind."""
    return build_house(database, tmp_path, clock)


@pytest.fixture
def public(house: House, tmp_path: Path) -> Iterator[Public]:
    """Return a log of several hundred entries at an open door."""
    app = create_app(Publication(house.database, house.clock, house.responder, house.crl_folder, house.timestamps))
    with opened(app) as door:
        public = Public(house, door, tmp_path)
        for count in (5, 250, 280):
            public.write(count)
        yield public


@pytest.mark.parametrize("index", [0, 5, 255, 256, 511, 512])
def test_a_receipt_is_good_at_the_door_now_and_when_the_log_has_grown(public: Public, index: int) -> None:
    receipt = public.receipt(index)
    for growth in (0, 1, 300):
        public.write(growth)
        size = audit.opened(public.checkpoint().read_text(encoding="utf-8"), KEY.public_key().verify).size
        said = verified(receipt, grown(public, receipt), public.checkpoint())
        assert (said.status, said.err) == (0, "")
        assert said.out.startswith(f"entry {index} of ")
        assert said.out.endswith(f"good: the log {ORIGIN} of {size} entries\n")


def test_the_documented_lines_of_a_customer_and_of_a_third_party(public: Public, tmp_path: Path) -> None:
    folder, variables = tmp_path / "theirs", {"STATUS": public.door, "VKEY": str(SIGNER.verifier)}
    folder.mkdir()
    public.receipt(3).rename(folder / "receipt.json")
    assert run_lines(KEEPING, folder, **variables).status == 0
    for _ in range(2):
        public.write(1)
        for lines in (CUSTOMER, THIRD_PARTY):
            said = run_lines(lines, folder, **variables)
            assert (said.status, said.err) == (0, "")
            assert said.out.splitlines()[-1].startswith(f"good: the log {ORIGIN} of ")
        assert (folder / "kept").read_text(encoding="utf-8") == public.checkpoint().read_text(encoding="utf-8")
    before = (folder / "kept").read_text(encoding="utf-8")
    rolled_back(public)
    public.write(900)
    for lines in (CUSTOMER, THIRD_PARTY):
        said = run_lines(lines, folder, **variables)
        assert (said.status, said.err) == (1, "BAD: grown is not shown to follow from what came before it\n")
    assert (folder / "kept").read_text(encoding="utf-8") == before


def test_the_proof_from_tiles_is_the_one_that_the_house_makes(public: Public) -> None:
    kept = [public.checkpoint()]
    for growth in (1, 200, 63):
        public.write(growth)
        kept.append(public.checkpoint())
    with public.house.database.snapshot() as session:
        for at, old in enumerate(kept):
            for newer in kept[at:]:
                notes = [file.read_text(encoding="utf-8") for file in (old, newer)]
                proof = audit.consistency_proof(session, notes[0], check=KEY.public_key().verify, note=notes[1])
                assert grown(public, old, newer).read_text(encoding="utf-8") == proof.text()
    assert told(FROM_TILES, public.door, kept[1], kept[0]).err.startswith("BAD: ")
    said = verified(kept[0], grown(public, kept[0], kept[2]), grown(public, kept[2]))
    assert (said.status, said.err) == (0, "")


def test_files_of_the_door_that_were_saved_do_as_well(public: Public, tmp_path: Path) -> None:
    receipt, saved = public.receipt(3), tmp_path / "saved"
    public.write(10)
    size = audit.opened(public.checkpoint().read_text(encoding="utf-8"), KEY.public_key().verify).size
    with public.house.database.snapshot() as session:
        for name in (TileName(0, 0), TileName(0, 1), TileName(0, 2, size - 512), TileName(1, 0, 2)):
            file = saved / "tile" / name.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(audit.published_tile(session, name) or b"")
    (saved / "checkpoint").write_bytes(public.checkpoint().read_bytes())
    made = told(FROM_TILES, saved.as_uri(), receipt)
    assert made.err == ""
    assert made.out == grown(public, receipt).read_text(encoding="utf-8")


def test_a_receipt_that_was_edited_is_bad(public: Public) -> None:
    receipt = public.receipt(300)
    read = json.loads(receipt.read_text(encoding="utf-8"))
    read["entry"]["subject"] = "terminal:00000W"
    receipt.write_text(json.dumps(read), encoding="utf-8")
    assert verified(receipt).err == f"BAD: {receipt}: the entry is not in the log of its checkpoint\n"


def test_another_key_makes_the_checkpoint_worthless(public: Public) -> None:
    stranger = Ed25519PrivateKey.generate()
    vkey = str(CheckpointSigner(ORIGIN, stranger.public_key().public_bytes_raw(), stranger.sign).verifier)
    assert verified(public.receipt(300), vkey=vkey).status == 1


def rolled_back(public: Public) -> None:
    """Cut the whole log off after five entries as an intruder with all rights in the database would, and seal it anew."""
    with public.house.database.transaction() as session:
        for table in (AuditTree, AuditCheckpoint, AuditTile):
            session.execute(delete(table))
        session.execute(delete(AuditEntry).where(AuditEntry.leaf_index >= 5))
        session.execute(update(AuditEntry).values(leaf_index=None))
    audit.seal(public.house.database, SIGNER, now=public.house.clock.now())


def test_a_log_that_was_rolled_back_as_a_whole_is_convicted_by_an_older_checkpoint(public: Public) -> None:
    old = public.checkpoint()
    rolled_back(public)
    assert audit.verify(public.house.database, KEY.public_key().verify) == []  # by itself it looks whole
    made = told(FROM_TILES, public.door, old)
    assert (made.status, made.out) == (1, "")
    assert made.err.startswith("BAD: ")
    assert audit.verify(public.house.database, KEY.public_key().verify, earlier=[old.read_text()]) != []


def test_a_log_that_was_rewritten_and_has_grown_again_is_convicted_too(public: Public) -> None:
    receipt, old = public.receipt(2), public.checkpoint()
    rolled_back(public)
    public.write(900)
    fresh = public.receipt(2)
    assert verified(fresh, grown(public, fresh)).status == 0
    for kept in (receipt, old):
        proof = grown(public, kept)
        assert verified(kept, proof).err == f"BAD: {proof} is not shown to follow from what came before it\n"


def test_a_log_that_went_on_says_so_at_its_door_and_is_checked_by_its_new_key(public: Public) -> None:
    """A head that covers entries which are not here: the present key no longer opens what is public, and the door says why."""
    database, receipt = public.house.database, public.receipt(2)
    with database.transaction() as session:
        audit.found(session, ORIGIN, public.house.clock.now())
    lost = SIGNER.note(10_000, bytes(32))

    def under(origin: str) -> CheckpointSigner:
        return CheckpointSigner(origin, SIGNER.public_key, KEY.sign)

    recovery = audit.Recovery(database, under, KEY.public_key().verify)
    statement = recovery.go_on(public.house.clock.now(), audit.operator(), "a backup was restored", shown=[lost])
    audit.seal(database, under(f"{ORIGIN}/2"), now=public.house.clock.now())
    client = create_app(
        Publication(database, public.house.clock, public.house.responder, public.house.crl_folder, public.house.timestamps)
    ).test_client()
    assert client.get("/log/2").text == statement
    assert client.get("/log/2").content_type == "text/plain; charset=utf-8"
    assert [client.get(f"/log/{number}").status_code for number in (0, 1, 3)] == [404, 404, 404]
    # By the old key what it signed is good, and nothing that is public now: the log of that name has ended.
    assert verified(receipt).status == 0
    assert verified(receipt, grown(public, receipt)).status == 1
    now_key = str(under(f"{ORIGIN}/2").verifier)
    assert verified(public.receipt(2), vkey=now_key).status == 0
    assert audit.verify(database, KEY.public_key().verify, earlier=[lost]) == []


def test_the_door_serves_full_tiles_for_ever_and_partial_ones_for_a_while(public: Public) -> None:
    publication = Publication(
        public.house.database, public.house.clock, public.house.responder, public.house.crl_folder, public.house.timestamps
    )
    client = create_app(publication).test_client()
    size = int(client.get("/checkpoint").text.split("\n")[1])
    assert client.get("/checkpoint").content_type == "text/plain; charset=utf-8"
    full, partial = client.get("/tile/0/001"), client.get(f"/tile/0/002.p/{size - 512}")
    assert (full.status_code, len(full.data), full.mimetype) == (200, 8192, "application/octet-stream")
    assert full.headers["Cache-Control"] == f"max-age={FULL_TILE_SECONDS}, public, immutable, no-transform"
    assert (partial.status_code, len(partial.data)) == (200, (size - 512) * 32)
    assert partial.cache_control.max_age == 3_600
    assert client.get("/tile/1/000.p/2").data[:32] != full.data[:32]


@pytest.mark.parametrize("path", ["0/002", "0/003.p/1", "1/000.p/3", "0/0", "0/x000/001", "entries/000", "data/000", "9/000.p/1"])
def test_what_no_checkpoint_covers_is_not_found(public: Public, path: str) -> None:
    client = create_app(
        Publication(
            public.house.database, public.house.clock, public.house.responder, public.house.crl_folder, public.house.timestamps
        )
    ).test_client()
    assert client.get(f"/tile/{path}").status_code == 404


def test_the_entries_themselves_are_nowhere_at_the_door(public: Public) -> None:
    receipt = json.loads(public.receipt(300).read_text(encoding="utf-8"))
    with public.house.database.snapshot() as session:
        hashes = b"".join(session.scalars(select(AuditTile.hashes)))
        entry = session.scalars(select(AuditEntry).where(AuditEntry.leaf_index == 300)).one()
    assert entry.commitment not in hashes
    assert bytes.fromhex(receipt["salt"]) not in hashes
    assert base64.b64decode(receipt["proof"].split("\n")[2]) in hashes
