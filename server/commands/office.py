"""`tegata office`: offices from a file, with the first account of each."""

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from kernel import audit
from kernel.database import Database
from kernel.errors import Refused
from registry import office_files
from registry.csv_sheets import FileFault
from registry.office_files import OfficeLine, Sheet
from registry.registration import Offices
from server import file_faults
from server.corresponding import letters_of
from server.wiring import clock_of, database_of, finished_home
from webui.accounts import NewUser, Right, UserLetters, Users
from webui.accounts.persons import normal, require_well_formed

SENTENCES: Mapping[str, str] = {
    **file_faults.SENTENCES,
    "abbreviation": "must be three capitals, such as NAC",
    "account": "this office's first account can not have the log-in name or address: %(reason)s",
    "billing-code": "must have seven digits",
    "choice": "is none of the values that there are (docs/offices.md)",
    "company-differs": "the company stands otherwise elsewhere: %(other)s",
    "date": "must be a day such as 2026-12-01",
    "empty": "there is no office in the file",
    "full-width": "must be in full width",
    "katakana": "must be in full-width katakana",
    "latin": "must be Latin letters, digits and .,&'()/+:- only",
    "latin-required": "is required, because the company's name is longer than %(most)s characters",
    "login-malformed": "must be 2 to 40 small letters, digits or . _ -",
    "mail-invalid": "is not a mail address",
    "office-code": "must be the company's abbreviation and three digits, such as NAC001",
    "office-twice": "stands in line %(first)s already",
    "phone-digits": "must be digits",
    "phone-length": "must begin with 0 and have 10 or 11 digits",
    "postal-code": "must have seven digits",
}
# Each so many offices a line of progress, where nobody sees the counter.
EACH = 500


@click.group()
def command() -> None:
    """Register offices."""


@command.command("columns")
def columns() -> None:
    """Print the headings of a file to import, English and below Japanese: either line may head it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(office_files.COLUMNS), list(office_files.COLUMNS.values())])
    click.echo(text.getvalue(), nl=False)


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
def import_file(file: Path, *, dry_run: bool) -> None:
    """Register the offices of the CSV file FILE and mail each administrator a link to choose a password.

    Everything is checked first; with any fault nothing is written. What is registered already is told and left as it is, so
    a file may be imported again. Columns: docs/offices.md.
    """
    chosen = finished_home()
    database = database_of(chosen)
    sheet = _judged(database, file.read_bytes())
    if sheet.faults:
        raise file_faults.trouble(sheet.faults, SENTENCES)
    known = [line for line in sheet.lines if line.is_known]
    for line in known:
        click.echo(f"line {line.line}: {line.office.code} is registered already")
    new = len(sheet.lines) - len(known)
    if dry_run:
        click.echo(f"offices: {new} would be registered, {len(known)} are registered already; nothing was written")
        return
    clock = clock_of(chosen)
    entering = Entering(Offices(database, clock), Users(database, clock, UserLetters(letters_of(chosen))))
    for number, line in enumerate(sheet.lines, start=1):
        entering.enter(line)
        _progress(number, len(sheet.lines), line.office.code)
    click.echo(f"{entering.registered} offices registered, {entering.invited} administrators invited, {len(known)} known before")


@dataclass
class Entering:
    """Enters line by line, each office in a transaction of its own, and counts; what an interrupted run left is done now."""

    offices: Offices
    users: Users
    registered: int = 0
    invited: int = 0

    def enter(self, line: OfficeLine) -> None:
        """Register the office unless it is, and invite its administrator unless it has, or had, an account."""
        actor = audit.operator()
        if not line.is_known:
            self.offices.register(line.company, line.office, line.contract, actor=actor)
            self.registered += 1
        if self.users.found(_first(line), actor) is not None:
            self.invited += 1


def _judged(database: Database, octets: bytes) -> Sheet:
    sheet = office_files.read(octets)
    with database.snapshot() as session:
        sheet = office_files.judge(session, sheet)
    faults = sorted((*sheet.faults, *_account_faults(sheet)), key=lambda fault: fault.line)
    return replace(sheet, faults=tuple(faults))


def _account_faults(sheet: Sheet) -> Iterator[FileFault]:
    for line in sheet.lines:
        new = _first(line)
        try:
            require_well_formed(login=normal(new.login), name=new.name, mail=new.mail)
        except Refused as refused:
            code = refused.code if refused.code in SENTENCES else "account"
            yield FileFault(line.line, "administrator.login", code, {"reason": refused.code})


def _first(line: OfficeLine) -> NewUser:
    """Return the first account of an office: its administrator's."""
    person, office = line.office.administrator, line.office
    name = f"{line.company.name}　{office.name}"
    return NewUser(line.login, person.full_name, person.mail, frozenset({Right.ADMINISTRATOR}), office.code, name)


def _progress(number: int, total: int, code: str) -> None:
    """Tell how far it is: on a terminal in one line that changes, else now and then."""
    if sys.stderr.isatty():
        click.echo(f"\r{number}/{total} {code}", err=True, nl=number == total)
    elif number % EACH == 0:
        click.echo(f"{number}/{total}", err=True)
