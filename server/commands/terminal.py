"""`tegata terminal`: the terminal's own client, on the customer's PC. It needs no home and no settings."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from enrollment.client import doctor, finding_texts, inputs, logon, renewal, retrieval, standing, texts
from enrollment.client.connection import Server
from enrollment.client.findings import Diagnosis
from enrollment.client.folder import Folder, Form, passphrase_in
from enrollment.client.possession import possession_of
from enrollment.client.renewal import Renewed
from enrollment.client.report import Report, report_of
from enrollment.client.texts import Language
from kernel.clock import SystemClock
from kernel.errors import Refused
from server import environment
from server.trouble import Trouble

Decorated = Callable[..., Any]
Decorator = Callable[[Decorated], Decorated]
FOLDER = click.option(
    "--folder", "--out", "folder", type=click.Path(path_type=Path), required=True, help="The terminal's own folder."
)
PASSPHRASE = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), help="First line: what protects the key. Else it is asked for."
)
JSON = click.option("--json", "as_json", is_flag=True, help="For scripts.")
LANGUAGE = click.option("--lang", type=click.Choice(["ja", "en"]), help="Language of the messages; else the locale's.")
ACCESS_KEY = click.option(
    "--access-key-file", "source", type=click.File(encoding="utf-8"), help="Its first line (- is standard input)."
)


@click.group()
def command() -> None:
    """Retrieve this PC's certificate, renew it, look at it, try the logon, find out what is wrong."""


def door_options(*, required: bool = True) -> Decorator:
    """Return what adds the options that say how a door is reached."""
    options = (
        click.option("--proxy", help="http://[USER:PASSWORD@]HOST:PORT; else that of HTTPS_PROXY or the system's settings."),
        click.option(
            "--ca", "ca_bundle", type=click.Path(path_type=Path), required=required, help="Root certificate(s) to trust, as PEM."
        ),
        click.option("--server", "url", required=required, help="Address of the door, https://HOST[:PORT]."),
    )

    def add(decorated: Decorated) -> Decorated:
        for option in options:
            decorated = option(decorated)
        return decorated

    return add


@dataclass(frozen=True)
class _Session:
    """How a door is reached and in which language people are told, as the options say."""

    url: str
    ca_bundle: Path
    proxy: str | None
    lang: Language | None

    def server(self, *, patience: float = 120, timeout: float = 30) -> Server:
        proxy = self.proxy or environment.proxy_for(self.url)
        tell = sys.stderr.isatty()
        pause = _Pause(self.language).wait if tell else time.sleep
        return Server(self.url, self.ca_bundle, SystemClock(), proxy, timeout, patience, pause)

    @property
    def language(self) -> Language:
        return self.lang or environment.language()


@dataclass(frozen=True)
class _Pause:
    """Waits, and says so to whoever looks on."""

    language: Language

    def wait(self, seconds: float) -> None:
        said = (
            f"接続先の応答を待っています({seconds:.0f}秒)…"
            if self.language == "ja"
            else f"waiting {seconds:.0f} s for the door …"
        )
        click.echo(said, err=True)
        time.sleep(seconds)


@command.command("retrieve")
@door_options()
@FOLDER
@PASSPHRASE
@click.option(
    "--inputs",
    "source",
    type=click.File(encoding="utf-8"),
    help="File with the five inputs (- is standard input); else they are asked for.",
)
@click.option("--p12", "form", flag_value="p12", help="Keep key and certificates as PKCS#12 instead of PEM.")
@click.option(
    "--p12-3des", "form", flag_value="p12-3des", help="The same by 3DES and SHA-1, for readers that know nothing newer (weak)."
)
@JSON
@LANGUAGE
def retrieve(folder: Path, passphrase_file: Path | None, source: Any, *, form: str | None, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Make a key on this PC, redeem the five inputs of the ID notice, keep key, certificate and chain."""
    session = _Session(**reach)
    with _told(session.language):
        kept = Form(form or Form.PEM)
        passphrase = _passphrase(passphrase_file, Folder(folder), session.language, is_new=kept is not Form.PEM)
        # Before anybody types codes for nothing.
        retrieval.require_ready(session.server(), folder, kept, passphrase)
        codes = inputs.parse(source.read()) if source else inputs.ask(_Prompt(session.language).ask)
        result = retrieval.retrieve(codes, session.server(), folder, form=kept, passphrase=passphrase)
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
    click.echo(texts.retrieved(result, session.language))
    for file in result.files:
        click.echo(f"  {file}")


@command.command("renew")
@door_options()
@FOLDER
@PASSPHRASE
@click.option("--force", is_flag=True, help="Not only from the suggested instant on, but as soon as the window is open.")
@click.option(
    "--patience", type=click.IntRange(0, 86_400), default=120, show_default=True, help="Seconds to wait for a door that is away."
)
@JSON
@LANGUAGE
def renew(folder: Path, passphrase_file: Path | None, *, force: bool, patience: int, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Renew the certificate with a new key, if it is time; for a daily timer. The old pair stays until the new one is proven."""
    session = _Session(**reach)
    with _told(session.language):
        passphrase = _passphrase(passphrase_file, Folder(folder), session.language)
        outcome = renewal.renew(folder, session.server(patience=patience), force=force, passphrase=passphrase)
    if isinstance(outcome, Renewed):
        shown: dict[str, object] = {
            "renewed": True,
            "terminal": outcome.terminal,
            "serial": outcome.serial,
            "not_before": outcome.not_before,
            "not_after": outcome.not_after,
            "proven": outcome.is_proven,
            "files": [str(file) for file in outcome.files],
        }
        line = texts.renewed(outcome, session.language)
    else:
        shown = {
            "renewed": False,
            "terminal": outcome.terminal,
            "first_day": outcome.first_day,
            "last_day": outcome.last_day,
            "suggested": outcome.suggested,
            "code": outcome.refusal.code if outcome.refusal else None,
        }
        line = texts.not_now(outcome, session.language)
    _show_json(**shown) if as_json else click.echo(line)


@command.command("status")
@door_options(required=False)
@FOLDER
@PASSPHRASE
@JSON
@LANGUAGE
def status(folder: Path, passphrase_file: Path | None, *, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Show what the folder holds and whether it is good today; with --server and --ca, what the terminals door says, too."""
    session = _Session(**reach)
    is_to_ask = reach["url"] is not None
    if is_to_ask != (reach["ca_bundle"] is not None):
        raise click.UsageError("--server and --ca belong together")
    with _told(session.language):
        passphrase = _passphrase(passphrase_file, Folder(folder), session.language)
        held = standing.status(folder, now=SystemClock().now(), passphrase=passphrase)
    answer = _asked(session, Folder(folder, passphrase)) if is_to_ask else None
    if as_json:
        _show_json(**_standing(held), door=_report(answer) if isinstance(answer, Report) else None, door_error=_code_of(answer))
        return
    rows = texts.told(held, session.language)
    if isinstance(answer, Report):
        rows += texts.reported(answer, session.language)
    for label, text in rows:
        click.echo(f"{label}: {text}")
    if isinstance(answer, Refused):
        click.echo(texts.line(answer, session.language), err=True)


@command.command("logon")
@door_options()
@FOLDER
@PASSPHRASE
@ACCESS_KEY
@click.option("--terminal", help="Another terminal's name than the certificate's.")
@JSON
@LANGUAGE
def log_on(folder: Path, passphrase_file: Path | None, source: Any, *, terminal: str | None, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Ask the terminals door whether this certificate and the access key may log on now."""
    session = _Session(**reach)
    with _told(session.language):
        passphrase = _passphrase(passphrase_file, Folder(folder), session.language)
        access_key = source.readline().strip() if source else _Prompt(session.language).ask(inputs.FIELDS[0])
        answer = logon.logon(folder, session.server(), access_key, terminal=terminal, passphrase=passphrase)
    if as_json:
        _show_json(terminal=answer.terminal, permitted=answer.permitted, code=answer.refusal.code if answer.refusal else None)
    elif answer.refusal is None:
        click.echo(texts.permitted(answer.terminal, session.language))
    if answer.refusal is not None:
        raise Trouble(texts.line(answer.refusal, session.language))


@command.command("doctor")
@door_options()
@FOLDER
@PASSPHRASE
@ACCESS_KEY
@JSON
@LANGUAGE
def examine(folder: Path, passphrase_file: Path | None, source: Any, *, as_json: bool, **reach: Any) -> None:  # noqa: ANN401
    """Look at the folder, the way to the terminals door and what it knows; tell each cause and remedy. Exit 1: a fault."""
    session = _Session(**reach)
    with _told(session.language):
        passphrase = _passphrase(passphrase_file, Folder(folder), session.language)
    access_key = source.readline().strip() if source else None
    server = session.server(patience=0, timeout=10)
    diagnosis = doctor.examine(folder, server, access_key=access_key, passphrase=passphrase)
    if as_json:
        _show_json(sound=diagnosis.is_sound, findings=_findings(diagnosis, session.language))
    else:
        for finding in diagnosis.findings:
            for line in finding_texts.lines(finding, session.language):
                click.echo(line)
    summary = finding_texts.summary(diagnosis, session.language)
    if not diagnosis.is_sound:
        raise Trouble(summary)
    if not as_json:
        click.echo(summary)


@contextmanager
def _told(language: Language) -> Iterator[None]:
    """Turn a refusal into the client's own sentence."""
    try:
        yield
    except Refused as refused:
        raise Trouble(texts.line(refused, language)) from refused


@dataclass(frozen=True)
class _Prompt:
    """Asks whoever sits there."""

    language: Language

    def ask(self, field: inputs.Field) -> str:
        """Ask for one input; what is secret is not shown while it is typed."""
        label = f"{field.japanese} ({field.name})" if self.language == "ja" else field.english
        typed: str = click.prompt(label, hide_input=field.secret and sys.stdin.isatty(), err=True)
        return typed


def _passphrase(file: Path | None, place: Folder, language: Language, *, is_new: bool = False) -> bytes | None:
    """Return the passphrase of a file; or of whoever sits there, where one is needed. A command line could be seen by others."""
    if file is not None:
        return passphrase_in(file)
    if not sys.stdin.isatty() or not (is_new or place.is_closed()):
        return None
    label = "パスフレーズ" if language == "ja" else "passphrase"
    typed: str = click.prompt(label, hide_input=True, confirmation_prompt=is_new, err=True)
    return typed.encode()


def _asked(session: _Session, place: Folder) -> Report | Refused:
    try:
        return report_of(session.server(patience=0), possession_of(place).identity)
    except Refused as refused:
        return refused


def _code_of(answer: Report | Refused | None) -> str | None:
    return answer.code if isinstance(answer, Refused) else None


def _standing(held: standing.Standing) -> dict[str, object]:
    return {
        "phase": held.phase.value,
        "terminal": held.terminal,
        "issuer": held.issuer,
        "serial": held.serial,
        "not_before": held.not_before,
        "not_after": held.not_after,
        "key_matches": held.key_matches,
        "first_day": held.first_day,
        "last_day": held.last_day,
        "renewing": held.is_renewing,
        "files": [str(file) for file in held.files],
    }


def _report(known: Report) -> dict[str, object]:
    return {
        "state": known.state,
        "certificate_state": known.certificate_state,
        "start_date": known.start_date,
        "first_day": known.first_day,
        "last_day": known.last_day,
        "suggested": known.suggested,
        "renewal_possible_now": known.may_renew,
        "reissue": known.reissue.state if known.reissue else None,
    }


def _findings(diagnosis: Diagnosis, language: Language) -> list[dict[str, object]]:
    return [
        {
            "check": finding.check.value,
            "verdict": finding.verdict.value,
            "topic": finding.topic,
            "code": finding.code,
            "cause": finding_texts.cause(finding, language),
            "remedy": finding_texts.remedy(finding, language),
        }
        for finding in diagnosis.findings
    ]


def _show_json(**values: object) -> None:
    click.echo(json.dumps(values, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(value)
