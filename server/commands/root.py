"""`tegata root`: the root's key is kept away from the home."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from server.root_key import RootKey, passphrase_of
from server.wiring import clock_of, database_of, finished_home

_NEW = click.Path(dir_okay=False, path_type=Path)
_THERE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _of_a_root(command: Callable[..., None]) -> Callable[..., None]:
    passphrase = click.option(
        "--passphrase-file", required=True, type=_THERE, help="A file with one line, which encrypts the exported key."
    )
    return passphrase(click.option("--name", default="root", show_default=True, help="Which root.")(command))


@click.group()
def command() -> None:
    """Keep a root's key away: everything but signing with the root goes on working.

    In the home the key is needed again for a new issuing CA, for links between roots, and for the root's own CRL.
    """


@command.command("export")
@click.argument("file", type=_NEW)
@_of_a_root
def export(file: Path, passphrase_file: Path, name: str) -> None:
    """Write the key into FILE (….key), as encrypted PKCS#8, and read that again."""
    root, now = _root(name)
    root.export(file, passphrase_of(passphrase_file), now)
    click.echo(f"{file} holds the key of {name}; it was read again and signs. `tegata root remove` takes it out of the home.")


@command.command("remove")
@click.argument("file", type=_THERE)
@_of_a_root
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(file: Path, passphrase_file: Path, name: str, *, yes: bool) -> None:
    """Delete the key from the home, once FILE was read again and is the same key."""
    root, now = _root(name)
    passphrase = passphrase_of(passphrase_file)
    root.require_exported(file, passphrase)
    if not yes:
        click.confirm(f"{file} holds the key of {name} and can be opened. Delete the key from this home?", abort=True)
    root.remove(file, passphrase, now)
    click.echo(f"The key of {name} is not in this home any more. Backups of the home that are older still hold it.")


@command.command("import")
@click.argument("file", type=_THERE)
@_of_a_root
def bring_back(file: Path, passphrase_file: Path, name: str) -> None:
    """Put the key from FILE back into the home."""
    root, now = _root(name)
    root.bring_back(file, passphrase_of(passphrase_file), now)
    click.echo(f"The key of {name} is back. `tegata ceremony` does what waited for it, the root's CRL too.")


def _root(name: str) -> tuple[RootKey, datetime]:
    chosen = finished_home()
    return RootKey(chosen, database_of(chosen), name), clock_of(chosen).now()
