"""`tegata revoke`: one certificate or thousands, in one deed that may be interrupted and taken up again."""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from ca.revocation import TERMINAL_REASONS, Reason
from enrollment.bulk import BulkRevocation, Preview
from enrollment.deeds import Ending
from kernel import audit
from server.corresponding import letters_of
from server.root_key import lists_to_come
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home

SHOWN = 20


@click.command("revoke")
@click.argument("names", nargs=-1)
@click.option(
    "--from", "source", type=click.Path(path_type=Path, allow_dash=True), help="A file of names, one a line; - is standard input."
)
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in TERMINAL_REASONS]),
    required=True,
    help="The reason that CRL and OCSP give.",
)
@click.option(
    "--invalid-since", metavar="INSTANT", help="Since when they are not to be trusted, for example 2026-11-20T09:00+09:00."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--ignore-unknown", is_flag=True, help="Go on although some names name nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(names: tuple[str, ...], source: Path | None, reason: str, invalid_since: str | None, **flags: bool) -> None:
    """Revoke the certificates of terminals, for good.

    NAMES are terminals (99999W: all its certificates) or single certificates (issuing-1:4F2A…, issuer and serial number in
    hexadecimal). For keyCompromise their keys are blocked, and what else stands on them is revoked, too. Run again with the
    same names after an interruption: what is done is passed over. Ends with 1 when a name names nothing, and then revokes
    nothing unless told to ignore that.
    """
    wanted = [*names, *names_in(source)]
    if not wanted:
        raise click.UsageError("name at least one terminal or certificate, as arguments or by --from")
    since = _instant(invalid_since)
    home = finished_home()
    bulk = BulkRevocation(database_of(home), clock_of(home), letters_of(home))
    preview = bulk.preview(wanted, Reason(reason))
    require_known(preview.unknown, "names no terminal and no certificate", ignore=flags["ignore_unknown"])
    click.echo(_told(preview))
    if flags["dry_run"] or not (preview.certificates or preview.being_made):
        return
    if sys.stdin.isatty() and not flags["yes"]:
        click.confirm("A revocation can not be undone. Go on?", abort=True)
    actor = audit.operator(f"cli/{os.getuid()}")
    done = bulk.revoke(wanted, lambda now: Ending(Reason(reason), actor, now, since), progress())
    click.echo(f"{done.certificates} certificates revoked, {done.being_made} retrievals stopped")
    for sentence in lists_to_come(home, bulk.database, bulk.clock.now()):
        click.echo(sentence)


def names_in(source: Path | None) -> list[str]:
    """Return the names that stand in a file, one a line; `-` is standard input. Raises Trouble."""
    if source is None:
        return []
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"the names can not be read from {source}: {error}") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("must be an instant such as 2026-11-20T09:00+09:00", param_hint="--invalid-since") from None
    if instant.tzinfo is None:
        raise click.BadParameter("needs its offset from UTC, such as +09:00", param_hint="--invalid-since")
    return instant.astimezone(UTC).replace(microsecond=0)


def require_known(unknown: Sequence[str], what: str, *, ignore: bool) -> None:
    """Raise Trouble that tells which names name nothing (`what`), unless that is to be ignored."""
    if unknown and not ignore:
        lines = [f"{name} {what}" for name in unknown[:SHOWN]]
        if len(unknown) > SHOWN:
            lines.append(f"… and {len(unknown) - SHOWN} more")
        raise Trouble("\n".join([*lines, "nothing was done"]))


def _told(preview: Preview) -> str:
    parts = [f"{preview.certificates} certificates to revoke"]
    if preview.being_made:
        parts.append(f"{preview.being_made} retrievals under way to stop")
    if preview.ended:
        parts.append(f"{len(preview.ended)} names of which nothing is left to revoke")
    if preview.unknown:
        parts.append(f"{len(preview.unknown)} names that name nothing")
    return ", ".join(parts)


def progress() -> Callable[[int, int], None] | None:
    """Return what draws progress, where somebody looks at it."""
    if not sys.stderr.isatty():
        return None

    def draw(done: int, total: int) -> None:
        click.echo(f"\r{done} of {total}", err=True, nl=done == total)

    return draw
