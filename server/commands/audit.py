"""`tegata audit`: checking the log, and writing it out for auditors."""

import json

import click
from sqlalchemy import select

from kernel import audit
from kernel.audit import AuditEntry
from server.custody import Custody
from server.trouble import Trouble
from server.wiring import database_of, finished_home

# Rows in memory at a time.
PIECE = 1_000


@click.group()
def command() -> None:
    """Look after the audit log."""


@command.command("verify")
def verify() -> None:
    """Recompute the whole log and compare it with every checkpoint that was ever signed."""
    chosen = finished_home()
    key = Custody(chosen).checkpoint().public_key()
    faults = audit.verify(database_of(chosen), key.verify)
    if faults:
        raise Trouble("\n".join(faults))
    click.echo("The audit log is whole: entries, tree and signed checkpoints agree.")


@command.command("export")
def export() -> None:
    """Write all entries to standard output, oldest first, one JSON object a line."""
    database = database_of(finished_home())
    query = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=PIECE)
    with database.snapshot() as session:
        for entry in session.scalars(query):
            click.echo(json.dumps(_line(entry), ensure_ascii=False))


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
