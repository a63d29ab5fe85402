"""`tegata root`: how the roots stand, their revocation lists, and their keys on the way out of the home and back."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from ca import issuers
from ca.crl import latest
from ca.hierarchy import is_root
from ca.revocation import Reason
from server.expiries import approaching
from server.root_key import RootKey, lists_to_come, passphrase_of
from server.wiring import clock_of, database_of, finished_home, home_of

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

    In the home the key is needed again for a new issuing CA and for links between roots. The root's own CRL is made by
    `tegata root crl`, also from the exported file.
    """


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(*, as_json: bool) -> None:
    """Show each root: where its key is, until when its CRL is good, when it ends; and what is to be done."""
    chosen = finished_home()
    database, now = database_of(chosen), clock_of(chosen).now()
    with database.snapshot() as session:
        lists = {one.name: latest(session, one.name) for one in issuers.load_all(session) if is_root(one)}
    due = approaching(database, now)
    rows = [
        {
            "name": name,
            "key": (root := RootKey(chosen, database, name)).whereabouts(),
            "ends": root.issuer().certificate.not_valid_after_utc.isoformat(),
            "crl_number": list_.number if list_ else None,
            "crl_next_update": list_.next_update.isoformat() if list_ else None,
            "to_do": [str(one) for one in due if one.subject == name],
        }
        for name, list_ in lists.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        click.echo(
            f"{row['name']}: ends {str(row['ends'])[:10]}; CRL {row['crl_number']} is good until"
            f" {str(row['crl_next_update'])[:10]}; its key is {row['key']}"
        )
    for one in due:
        click.echo(f"{'URGENT ' if one.is_urgent else ''}{one}")


@command.command("crl")
@click.argument("file", type=_THERE, required=False)
@click.option("--passphrase-file", type=_THERE, help="A file with one line, which opens FILE.")
@click.option("--name", default="root", show_default=True, help="Which root.")
def crl(file: Path | None, passphrase_file: Path | None, name: str) -> None:
    """Sign and publish a root's next CRL: with the key in the home or its token, or with the exported one in FILE (….key).

    The key of FILE is not put into the home.
    """
    if (file is None) != (passphrase_file is None):
        raise click.UsageError("FILE and --passphrase-file go together.")
    root, now = _root(name)
    exported = (file, passphrase_of(passphrase_file)) if file and passphrase_file else None
    click.echo(f"CRL {root.publish_list(now, exported)} of {name} stands in {home_of(root.settings).published}")


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
    click.echo(f"The key of {name} is back. `tegata ceremony` does what waited for it.")


@command.command("revoke")
@click.argument("subject")
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), required=True, help="What the root's CRL says.")
@click.option("--name", default="root", show_default=True, help="Which root gave it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(subject: str, reason: str, name: str, *, yes: bool) -> None:
    """Revoke the certificate of an issuing CA (SUBJECT, for example issuing-1), or a link between roots, for good.

    It stops issuing within seconds. What it gave is refused by whoever checks the whole chain, once the root's next CRL is
    out: `tegata root crl` makes it. For cACompromise (or keyCompromise) everything else on the same key ends, too,
    whichever root signed it.
    """
    root, now = _root(name)
    if not yes:
        click.confirm(f"Revoke the certificate that {name} gave to {subject}? This can not be undone.", abort=True)
    ended = root.revoke(subject, Reason(reason), now)
    for one in ended:
        click.echo(f"revoked: {one.subject}, {one.issuer}:{one.serial}")
        if one.issuer == one.subject:
            click.echo(f"{one.subject} signed that itself: whoever trusts it must be told to take it out")
    click.echo(f"{len(ended)} certificates revoked.")
    for sentence in lists_to_come(root.settings, root.database, now):
        click.echo(sentence)


def _root(name: str) -> tuple[RootKey, datetime]:
    chosen = finished_home()
    return RootKey(chosen, database_of(chosen), name), clock_of(chosen).now()
