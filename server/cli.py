"""The command `tegata`. Each command lives in a module of `server.commands`, loaded when it is called.

Exit status: 0 done, 1 refused or failed (one line on standard error), 2 wrong usage.
"""

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NoReturn, cast

import click

from kernel.errors import Refused, Unavailable
from server import loading
from server.redaction import without_values
from server.trouble import Trouble

# What `tegata --help` tells of each command; for that none of them is loaded.
COMMANDS = {
    "audit": "Look after the audit log.",
    "billing": "Enter what is billed by metering.",
    "ceremony": "Found what FILE describes and what is not there yet: authorities, services, links between roots.",
    "check": "Check what was done, by another path than the one that did it. Nothing is changed.",
    "crl": "Look after the certificate revocation lists.",
    "db": "Look after the database.",
    "demo": "Trials on a demo home.",
    "gateway": "Look after gateways: what they are given, and what they make of it.",
    "init": "Make a home: folders, database, keys, certificate authority, first staff account.",
    "jobs": "Show the jobs, or run one now.",
    "key": "Look after keys: those that may not be used, and our own in tokens.",
    "office": "Register offices.",
    "revoke": "Revoke the certificates of terminals, for good.",
    "root": "Keep a root's key away: everything but signing with the root goes on working.",
    "serve": "Serve all doors and run the jobs, or one PART only, until Ctrl-C.",
    "staff": "Make and list the center's staff.",
    "suspend": "Suspend terminals at once: no retrieval, no logon, certificates held (CRL and OCSP say certificateHold).",
    "terminal": "Retrieve this PC's certificate, renew it, look at it, try the logon, find out what is wrong.",
}
# The terminal's client has no settings, and starts on small machines without the libraries that read them.
WITHOUT_SETTINGS = {"terminal"}


def module_of(name: str) -> str:
    """Return the module whose attribute `command` is the command of a name."""
    return f"server.commands.{name}"


class Commands(click.Group):
    """Commands that are imported only when they are asked for: each loads what it uses, and starts soon."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command: the attribute `command` of its module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in WITHOUT_SETTINGS:
            loading.defer()
        with loading.undisturbed():
            return cast("click.Command", importlib.import_module(module_of(cmd_name)).command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command is for."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was called, and warn of variables that will have no effect on it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in WITHOUT_SETTINGS:
            for unknown in importlib.import_module("server.settings").unknown_names():
                click.echo(f"tegata: {unknown} is no setting of tegata and has no effect", err=True)
        return name, command, rest


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tegata", prog_name="tegata")
def tegata() -> None:
    """Give the terminals of a customs network their certificates.

    Everything that is written lies in $TEGATA_HOME (./var unless it is set). Settings are read from its tegata.toml
    and from TEGATA_… variables of the environment.
    """


def main() -> None:
    """Run the command line and end the process."""
    os.umask(0o077)
    telling(lambda: tegata.main(prog_name="tegata", standalone_mode=False))


def telling(deed: Callable[[], object]) -> None:
    """Do what a process is there for; end it with words for the operator when that fails."""
    try:
        deed()
    except click.exceptions.Abort:
        click.echo("\ntegata: stopped before it was done", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Trouble as trouble:
        _fail(str(trouble))
    except Refused as refused:
        _fail(f"refused: {refused}")
    except Unavailable as error:
        _fail(f"not available: {error}; try again in {error.retry_after} seconds")
    except BrokenPipeError:
        # Who reads us has read enough (`tegata … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        # A file or folder that is not there, not ours, or no folder: the operator's to mend. Others are faults of ours.
        _fail(f"{error.filename}: {error.strerror}" if error.filename else f"internal fault (OSError); {_keep(error)}")
    except Exception as fault:  # noqa: BLE001 (a fault of ours: one line for the operator, the rest into a file)
        _fail(f"internal fault ({type(fault).__name__}); {_keep(fault)}")


def _keep(fault: Exception) -> str:
    """Put a fault's traceback, without the values of its statements, where it can be sent to us from."""
    text = without_values("".join(traceback.format_exception(fault)))
    descriptor, path = tempfile.mkstemp(prefix="tegata-fault-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return f"its traceback stands in {path}"


def _fail(text: str) -> NoReturn:
    for line in text.splitlines():
        click.echo(f"tegata: {line}", err=True)
    sys.exit(1)
