"""`tegata key backup` and `restore`: keys of a token, wrapped by a key that never leaves it either."""

import hashlib
import os
from pathlib import Path

import click

from kernel import audit
from keys.pkcs11 import Backup
from server.custody import Custody, told_to_the_operator
from server.home import write_whole
from server.settings import Settings
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home

_WRAPPING = click.option(
    "--wrapping-key", metavar="LABEL", help="The AES key in the token that wraps; else that of the setting keys.backup_key."
)


@click.command("backup")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_WRAPPING
def backup(name: str, file: Path, wrapping_key: str | None) -> None:
    """Write a token's key NAME (issuing-1, ocsp, …) into FILE, wrapped: only a token with the same wrapping key can read it.

    The key must have been made while keys.backup_key was set, and the token's security officer must have marked the wrapping
    key as trusted (CKA_TRUSTED); a key that was made without can never leave its token.
    """
    if file.exists():
        raise Trouble(f"{file} exists already")
    chosen = finished_home()
    keys, label = Custody(chosen).in_token(name, wrapping_key)
    with told_to_the_operator():
        wrapped = keys.back_up(label)
    write_whole(file, wrapped.encode())
    _record(chosen, "key.backup", name, file)
    click.echo(f"{file} holds the key {name}, wrapped by {keys.backup_key}. It is of use to a token with that key only.")


@click.command("restore")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_WRAPPING
def restore(name: str, file: Path, wrapping_key: str | None) -> None:
    """Put the key NAME from a backup's FILE into its token: a new one, whose security officer brought the wrapping key there."""
    chosen = finished_home()
    keys, label = Custody(chosen).in_token(name, wrapping_key)
    with told_to_the_operator():
        keys.restore(label, Backup.decode(file.read_bytes()))
    _record(chosen, "key.restore", name, file)
    click.echo(f"The key {name} is in its token and signs.")


def _record(chosen: Settings, action: str, name: str, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with database_of(chosen).transaction() as session:
        audit.record(
            session,
            now=clock_of(chosen).now(),
            actor=audit.operator(f"cli/{os.getuid()}"),
            action=action,
            subject=f"key:{name}",
            file_sha256=digest,
        )
