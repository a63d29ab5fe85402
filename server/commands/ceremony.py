"""`tegata ceremony`: the authorities and services that a file describes."""

from pathlib import Path

import click

from server import ceremonies, settings
from server.founding import found_by
from server.trouble import Trouble
from server.wiring import clock_of, database_of


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--operator", default="", help="Who holds the ceremony, for the transcript; by default the system's user.")
@click.option("--verify", is_flag=True, help="FILE is a transcript: check its signature, and do nothing else.")
def command(file: Path, operator: str, *, verify: bool) -> None:
    """Found what FILE describes and what is not there yet: authorities, services, links between roots.

    The whole file is checked before any key is made, and against what stands: nothing is altered. A ceremony that did
    something, or was cut off before, leaves a signed transcript in the home's folder `ceremonies`.
    """
    chosen = settings.load()
    if verify:
        ceremonies.verify(chosen, file)
        click.echo(f"{file} is as it was signed.")
        return
    if "\n" in operator:
        raise Trouble("--operator is one line")
    held = found_by(
        chosen,
        database_of(chosen),
        ceremonies.read(chosen, file.absolute()),
        clock_of(chosen).now(),
        lambda _step: None,
        operator=operator,
    )
    click.echo("Everything stands as the file says." if held.is_new else "Everything stood already; nothing was changed.")
    if held.transcript is not None:
        click.echo(f"The transcript stands in {held.transcript}")
    for ending in held.awaiting:
        click.echo(str(ending), err=True)
