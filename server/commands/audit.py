"""`tegata audit`: checking the log, proving entries of it, and writing it out for auditors."""

import json
import os
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry, Checkpoint, Found, NoteError, ProofError, Receipt, VerifierKey
from kernel.database import Database
from server import sealing
from server.custody import Custody
from server.tls_files import write_if_changed
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home, home_of

# Rows in memory at a time.
PIECE = 1_000

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Look after the audit log."""


@command.command("verify")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="A checkpoint that was kept (may be repeated).")
@click.option(
    "--proof",
    "proofs",
    type=_FILE,
    multiple=True,
    help="Check only this file of `audit proof` or `audit consistency` (may be repeated), without database and network.",
)
@click.option("--vkey", help="The log's verifier key, for --proof away from the house; ours is the default.")
def verify(checkpoints: tuple[Path, ...], proofs: tuple[Path, ...], vkey: str | None) -> None:
    """Recompute the whole log and compare it with every checkpoint that was ever signed.

    Heads that were kept outside of the database are compared, too: those of the home and of `audit_copies`, and files that are
    named, for instance of the status door's /checkpoint. They tell when a log was rolled back as a whole.

    With --proof only files are checked: that they are of one log, which the key has signed for, and which has only grown.
    """
    if proofs:
        _verify_files([_read(file) for file in (*proofs, *checkpoints)], vkey)
        return
    if vkey is not None:
        raise click.UsageError("--vkey needs --proof: the log itself is checked with its own key")
    chosen = finished_home()
    key, database = Custody(chosen).checkpoint().public_key(), database_of(chosen)
    kept = [*sealing.copies_of(chosen, key).files(), *checkpoints]
    faults = audit.verify(database, key.verify, earlier=[_read(file) for file in kept])
    for line in _continuations(database):
        click.echo(line)
    if faults:
        raise Trouble("\n".join(faults))
    click.echo(f"The audit log is whole: entries, tree, tiles, signed checkpoints and {len(kept)} kept outside of them agree.")


@command.command("recover")
@click.option("--reason", required=True, help="What happened, for everybody to read: which backup was restored, and why.")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="A checkpoint that was kept (may be repeated).")
@click.option("--yes", is_flag=True, help="Do it; without, it is only told what would be done.")
def recover(reason: str, checkpoints: tuple[Path, ...], *, yes: bool) -> None:
    """Let the log go on under another name after signed entries were lost, which is what stops its sealing.

    Nothing is hidden: the lost heads stay, a signed statement names them at the status door, /log/NUMBER, and an entry of the
    log itself tells of it. Give the new verifier key, ca/log.vkey, to whoever checks the log. Cannot be undone.
    """
    chosen = finished_home()
    key, database, now = Custody(chosen).checkpoint(), database_of(chosen), clock_of(chosen).now()
    copies = sealing.copies_of(chosen, key.public_key())
    shown = [_read(file) for file in (*copies.files(), *checkpoints)]
    check = key.public_key().verify
    with database.snapshot() as session:
        found = audit.examine(session, check, shown)
    _tell_lost(found)
    if not found.lost or not yes:
        click.echo("Nothing was done." if not found.lost else "Nothing was done: say --yes.")
        return
    recovery = audit.Recovery(database, partial(sealing.signer_under, key), check)
    statement = recovery.go_on(now, audit.operator(f"cli/{os.getuid()}"), reason, shown=shown)
    sealing.sealing(chosen, database)(now)
    write_if_changed(home_of(chosen).log_key, f"{sealing.signer_of(chosen, database, now).verifier}\n")
    click.echo(statement)


def _tell_lost(found: Found) -> None:
    if not found.lost:
        click.echo(f"Everything that was signed for as {found.name.origin} is here: {found.size} entries.")
        return
    click.echo(f"Of the log {found.name.origin} {found.kept} entries stand as they were signed for; {found.size} are here.")
    for head in found.lost:
        click.echo(f"  lost: a signed head of {head.size} entries, {head.root.hex()}")


def _continuations(database: Database) -> Iterator[str]:
    with database.snapshot() as session:
        names = audit.names(session)
    for before, after in pairwise(names):
        yield (
            f"Since {after.begun_at:%Y-%m-%d} the log {before.origin} goes on as {after.origin}: "
            f"what was signed for beyond {after.kept} entries was lost and is stated to be."
        )


@command.command("proof")
@click.argument("entry", type=int)
@click.option("--checkpoint", type=_FILE, help="Prove against this checkpoint instead of the newest.")
def proof(entry: int, checkpoint: Path | None) -> None:
    """Open one entry (its `id` in the export) for its office or an auditor, with the proof that it is in the log."""
    chosen = finished_home()
    check = Custody(chosen).checkpoint().public_key().verify
    try:
        with database_of(chosen).snapshot() as session:
            receipt = audit.receipt(session, entry, check=check, note=_read(checkpoint) if checkpoint else None)
    except (NoteError, ProofError) as error:
        raise Trouble(f"{error}: `tegata audit verify` tells more") from error
    click.echo(receipt.text())


@command.command("consistency")
@click.argument("old", type=_FILE)
@click.argument("newer", type=_FILE, required=False)
def consistency(old: Path, newer: Path | None) -> None:
    """Prove that the log has only grown since a checkpoint: from OLD to NEWER, or to the newest.

    Each is a file with a checkpoint of ours: as it was kept, or in a receipt or another consistency proof. The proof is for
    `audit verify --proof`, for docs/verify_receipt.py and for witnesses (C2SP tlog-witness).
    """
    chosen = finished_home()
    check = Custody(chosen).checkpoint().public_key().verify
    try:
        notes = [audit.note_in(_read(file)) for file in (old, newer) if file is not None]
        with database_of(chosen).snapshot() as session:
            proof = audit.consistency_proof(session, notes[0], check=check, note=notes[1] if newer else None)
    except (NoteError, ProofError) as error:
        raise Trouble(f"{error}: `tegata audit verify` tells more") from error
    click.echo(proof.text(), nl=False)


@command.command("vkey")
def vkey() -> None:
    """Print the log's verifier key (C2SP signed-note), which those who check us must have from us, not from the log."""
    chosen = finished_home()
    click.echo(sealing.signer_of(chosen, database_of(chosen), clock_of(chosen).now()).verifier)


@command.command("export")
def export() -> None:
    """Write all entries to standard output, oldest first, one JSON object a line."""
    database = database_of(finished_home())
    query = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=PIECE)
    with database.snapshot() as session:
        for entry in session.scalars(query):
            click.echo(json.dumps(_line(entry), ensure_ascii=False))


def _verify_files(texts: list[str], vkey: str | None) -> None:
    try:
        key = VerifierKey.parse(vkey or _read(home_of(finished_home()).log_key))
        proven = audit.prove(texts, Ed25519PublicKey.from_public_bytes(key.public_key).verify, key)
    except (NoteError, ProofError) as error:
        raise Trouble(str(error)) from error
    for receipt, checkpoint in proven.receipts:
        click.echo(_told(receipt, checkpoint))
    begins = ", ".join(str(head.size) for head in proven.older)
    grown = f", which begin with the {begins} of before" if begins else ""
    click.echo(f"Proven: {proven.newest.origin} has signed for {proven.newest.size} entries{grown}.")


def _told(receipt: Receipt, checkpoint: Checkpoint) -> str:
    content = receipt.content
    return (
        f"Proven: {content.actor} did {content.action} to {content.subject} at {content.at}, "
        f"entry {receipt.index} of the {checkpoint.size} that {checkpoint.origin} has signed for."
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Trouble(f"{file} is not text") from error


def _line(entry: AuditEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "office_code": entry.office_code,
        "facts": entry.facts,
        "leaf_index": entry.leaf_index,
        # With these an auditor recomputes the leaf and finds it below a published checkpoint.
        "salt": entry.salt.hex(),
        "commitment": entry.commitment.hex(),
    }
