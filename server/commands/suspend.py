"""`tegata suspend`: terminals stopped for a while, with their certificates held, or let go on."""

import os
from pathlib import Path

import click

from enrollment.ending import Endings
from enrollment.suspending import BulkSuspension
from kernel import audit
from server.commands.revoke import names_in, progress, require_known
from server.corresponding import letters_of
from server.wiring import clock_of, database_of, finished_home


@click.command("suspend")
@click.argument("names", nargs=-1)
@click.option(
    "--from", "source", type=click.Path(path_type=Path, allow_dash=True), help="A file of names, one a line; - is standard input."
)
@click.option("--lift", is_flag=True, help="Lift the suspension: certificates are good again. Codes stay frozen.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--ignore-unknown", is_flag=True, help="Go on although some names name nothing.")
def command(names: tuple[str, ...], source: Path | None, **flags: bool) -> None:
    """Suspend terminals at once: no retrieval, no logon, certificates held (CRL and OCSP say certificateHold).

    NAMES are terminals. Run again with the same names after an interruption: what is done is passed over. Ends with 1 when
    a name names nothing, and then does nothing unless told to ignore that.
    """
    wanted = [*names, *names_in(source)]
    if not wanted:
        raise click.UsageError("name at least one terminal, as an argument or by --from")
    home = finished_home()
    bulk = BulkSuspension(Endings(database_of(home), clock_of(home), letters_of(home)))
    concerned = bulk.preview(wanted, lift=flags["lift"])
    require_known(concerned.unknown, "names no terminal", ignore=flags["ignore_unknown"])
    click.echo(f"{len(concerned.names)} terminals concerned, {len(concerned.already)} are so already or abolished")
    if flags["dry_run"] or not concerned.names:
        return
    actor = audit.operator(f"cli/{os.getuid()}")
    done = bulk.carry_out(concerned.names, actor, progress(), lift=flags["lift"])
    click.echo(f"{done} suspensions lifted" if flags["lift"] else f"{done} terminals suspended")
