"""`tegata audit`: checking the log, proving entries of it, and writing it out for auditors."""

import json
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry, NoteError, ProofError, Receipt, VerifierKey
from server.apps.jobs import checkpoint_signer_of
from server.custody import Custody
from server.trouble import Trouble
from server.wiring import database_of, finished_home

# Rows in memory at a time.
PIECE = 1_000

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Look after the audit log."""


@command.command("verify")
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="A checkpoint that was kept (may be repeated).")
@click.option("--proof", type=_FILE, help="Check only this file of `audit proof`, without a database.")
@click.option("--vkey", help="The log's verifier key, for --proof away from the house; ours is the default.")
def verify(checkpoints: tuple[Path, ...], proof: Path | None, vkey: str | None) -> None:
    """Recompute the whole log and compare it with every checkpoint that was ever signed.

    With checkpoints that were fetched from the status door earlier, a log that was rolled back as a whole is found, too.
    """
    if proof is not None:
        _verify_proof(proof, [_read(file) for file in checkpoints], vkey)
        return
    if vkey is not None:
        raise click.UsageError("--vkey needs --proof: the log itself is checked with its own key")
    chosen = finished_home()
    key = Custody(chosen).checkpoint().public_key()
    faults = audit.verify(database_of(chosen), key.verify, earlier=[_read(file) for file in checkpoints])
    if faults:
        raise Trouble("\n".join(faults))
    click.echo("The audit log is whole: entries, tree, tiles and signed checkpoints agree.")


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


@command.command("vkey")
def vkey() -> None:
    """Print the log's verifier key (C2SP signed-note), which those who check us must have from us, not from the log."""
    click.echo(checkpoint_signer_of(finished_home()).verifier)


@command.command("export")
def export() -> None:
    """Write all entries to standard output, oldest first, one JSON object a line."""
    database = database_of(finished_home())
    query = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=PIECE)
    with database.snapshot() as session:
        for entry in session.scalars(query):
            click.echo(json.dumps(_line(entry), ensure_ascii=False))


def _verify_proof(file: Path, checkpoints: list[str], vkey: str | None) -> None:
    try:
        key = VerifierKey.parse(vkey) if vkey else checkpoint_signer_of(finished_home()).verifier
        check = Ed25519PublicKey.from_public_bytes(key.public_key).verify
        receipt = Receipt.read(_read(file))
        checkpoint = receipt.require_proven(check, key)
        for note in checkpoints:
            receipt.require_proven(check, key, note=note)
    except (NoteError, ProofError) as error:
        raise Trouble(str(error)) from error
    content = receipt.content
    click.echo(
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
