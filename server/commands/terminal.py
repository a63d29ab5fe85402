"""`tegata terminal`: the terminal's own client, on the customer's PC. It needs no home and no settings."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from enrollment.client import inputs, logon, retrieval, standing, texts
from enrollment.client.connection import Server
from enrollment.client.folder import Form
from kernel.clock import SystemClock
from kernel.errors import Refused
from server.environment import language
from server.trouble import Trouble

Decorated = Callable[..., Any]
FOLDER = click.option(
    "--folder", "--out", "folder", type=click.Path(path_type=Path), required=True, help="The terminal's own folder."
)
PASSPHRASE = click.option("--passphrase-file", type=click.Path(path_type=Path), help="First line: what protects the key.")
JSON = click.option("--json", "as_json", is_flag=True, help="For scripts.")


@click.group()
def command() -> None:
    """Retrieve this PC's certificate, look at it, try the logon."""


def door_options(decorated: Decorated) -> Decorated:
    """Add the options that say how a door is reached."""
    for option in (
        click.option("--proxy", help="http://[USER:PASSWORD@]HOST:PORT"),
        click.option(
            "--ca", "ca_bundle", type=click.Path(path_type=Path), required=True, help="Root certificate(s) to trust, as PEM."
        ),
        click.option("--server", "url", required=True, help="Address of the door, https://HOST[:PORT]."),
    ):
        decorated = option(decorated)
    return decorated


@dataclass(frozen=True)
class _Reach:
    """How a door is reached, as the options say."""

    url: str
    ca_bundle: Path
    proxy: str | None

    def server(self) -> Server:
        return Server(self.url, self.ca_bundle, SystemClock(), self.proxy)


@command.command("retrieve")
@door_options
@FOLDER
@PASSPHRASE
@click.option(
    "--inputs",
    "source",
    type=click.File(encoding="utf-8"),
    help="File with the five inputs (- is standard input); else they are asked for.",
)
@click.option("--p12", is_flag=True, help="Keep key and certificates as PKCS#12 instead of PEM.")
@JSON
def retrieve(folder: Path, passphrase_file: Path | None, source: Any, *, p12: bool, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Make a key on this PC, redeem the five inputs of the ID notice, keep key, certificate and chain."""
    with _told():
        codes = inputs.parse(source.read()) if source else inputs.ask(_prompt)
        form = Form.PKCS12 if p12 else Form.PEM
        passphrase = _passphrase(passphrase_file)
        result = retrieval.retrieve(codes, _Reach(**reach).server(), folder, form=form, passphrase=passphrase)
    if as_json:
        _show_json(
            terminal=result.terminal,
            serial=result.serial,
            not_before=result.not_before,
            not_after=result.not_after,
            starts_later=result.starts_later,
            files=[str(file) for file in result.files],
        )
        return
    click.echo(texts.retrieved(result, language()))
    for file in result.files:
        click.echo(f"  {file}")


@command.command("status")
@FOLDER
@PASSPHRASE
@JSON
def status(folder: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    """Show what the folder holds and whether it is good today. Asks nobody."""
    with _told():
        held = standing.status(folder, now=SystemClock().now(), passphrase=_passphrase(passphrase_file))
    if as_json:
        _show_json(
            phase=held.phase.value,
            terminal=held.terminal,
            issuer=held.issuer,
            serial=held.serial,
            not_before=held.not_before,
            not_after=held.not_after,
            key_matches=held.key_matches,
            files=[str(file) for file in held.files],
        )
        return
    for label, text in texts.told(held, language()):
        click.echo(f"{label}: {text}")


@command.command("logon")
@door_options
@FOLDER
@PASSPHRASE
@click.option(
    "--access-key-file",
    "source",
    type=click.File(encoding="utf-8"),
    help="Its first line (- is standard input); else it is asked for.",
)
@click.option("--terminal", help="Another terminal's name than the certificate's.")
@JSON
def log_on(folder: Path, passphrase_file: Path | None, source: Any, *, terminal: str | None, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Ask the terminals door whether this certificate and the access key may log on now."""
    with _told():
        access_key = source.readline().strip() if source else _prompt(inputs.FIELDS[0])
        passphrase = _passphrase(passphrase_file)
        answer = logon.logon(folder, _Reach(**reach).server(), access_key, terminal=terminal, passphrase=passphrase)
    if as_json:
        _show_json(terminal=answer.terminal, permitted=answer.permitted, code=answer.refusal.code if answer.refusal else None)
    elif answer.refusal is None:
        click.echo(texts.permitted(answer.terminal, language()))
    if answer.refusal is not None:
        raise Trouble(texts.line(answer.refusal, language()))


@contextmanager
def _told() -> Iterator[None]:
    """Turn a refusal into the client's own sentence."""
    try:
        yield
    except Refused as refused:
        raise Trouble(texts.line(refused, language())) from refused


def _prompt(field: inputs.Field) -> str:
    """Ask for one input; what is secret is not shown while it is typed."""
    label = f"{field.japanese} ({field.name})" if language() == "ja" else field.english
    typed: str = click.prompt(label, hide_input=field.secret and sys.stdin.isatty(), err=True)
    return typed


def _passphrase(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").split("\n")[0].encode()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"the passphrase can not be read from {file}: {error}") from error


def _show_json(**values: object) -> None:
    shown = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
