"""A whole country in one database: offices with contracts, accounts, terminals, codes, certificates, mails, audit rows.

One office lives through the real use cases; its rows are then written again for all the others, by the database itself, with
other names. What an office's pages show is there for each of them.
"""

import secrets
import string
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, func, insert, literal, select, text, true
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from ca.tables import CertificateRow
from enrollment.receipts import RetrievalReceiptRow
from enrollment.tables import CodeSetRow, CredentialRow
from kernel import audit
from kernel.audit import AuditEntry
from kernel.clock import tokyo_date
from kernel.database import Base
from kernel.outbox import OutboxMail
from registry.applicants import Contact, contact_form
from registry.applications import Applications, Review
from registry.applications.parties import ApplicationPartiesRow
from registry.drafts import Customer, Drafts, Section
from registry.letters import Letters
from registry.states import ApplicationState
from registry.tables import (
    AdditionRow,
    ApplicationItemRow,
    ApplicationRow,
    CompanyRow,
    ContractRow,
    NewsRow,
    OfficeRow,
    TerminalRow,
)
from tests.support.house import APPROVER, OFFICE, PREPARER, SOURCE, House, new_request
from webui.accounts import Accounts, Door, NewAccount, Right, Role
from webui.passwords import Passwords
from webui.sessions import hash_of
from webui.tables import AccountRow, SessionRow

SIBLINGS = 10  # offices of one company
TERMINALS_EACH, CERTIFICATES_EACH, APPLICATIONS_EACH, NEWS_EACH, MAILS_EACH = 10, 10, 3, 20, 20
_AT_ONCE = 20_000


@dataclass(frozen=True)
class Town:
    """An office of the country: its code, the name of its first terminal, and an application that made terminals."""

    code: str
    terminal: str
    receipt_number: str


@dataclass(frozen=True)
class Country:
    """What `settle` made: the number of offices, and how many rows there are."""

    house: House
    offices: int

    def town(self, number: int) -> Town:
        """Return one of its offices."""
        return Town(_code(number), _terminal(number * TERMINALS_EACH), _receipt(number * TERMINALS_EACH))

    def sessions(self, door: Door, count: int) -> list[str]:
        """Log somebody of each of some offices in, evenly spread, or staff as often; return the cookies' values."""
        now = self.house.clock.now()
        tokens = [secrets.token_urlsafe(32) for _ in range(count)]
        with self.house.database.transaction() as session:
            for number, token in enumerate(tokens):
                code = self.town(number * self.offices // count).code if door is Door.PORTAL else ""
                account = session.scalar(select(AccountRow.id).where(AccountRow.office_code == code))
                log_in = SessionRow(
                    token_hash=hash_of(token),
                    door=door.value,
                    account_id=account,
                    created_at=now,
                    last_seen_at=now,
                    proven_at=now,
                    address=SOURCE,
                    device="bench",
                    content={},
                )
                session.add(log_in)
        return tokens


def settle(house: House, offices: int) -> Country:
    """Fill a house's database."""
    receipt_number, redeemed, waiting = _lived(house)
    with house.database.transaction() as session:
        copies = _Copies(session, _numbered(session, offices))
        terminals = offices * TERMINALS_EACH
        _offices(copies, terminals)
        _applications(copies, receipt_number, terminals)
        _terminals(copies, redeemed, waiting, terminals)
        _certificates(copies, redeemed, terminals)
        _logs(copies, terminals)
        copies.numbers.drop(session.connection())
    if house.database.engine.dialect.name == "postgresql":  # which does so by itself, a little later; SQLite never does
        with house.database.transaction() as session:
            session.execute(text("ANALYZE"))
    return Country(house, offices)


@dataclass(frozen=True)
class _Copies:
    """Writes a row again for each of some numbers."""

    session: Session
    numbers: Table

    def write(self, table: type[Base], of: ColumnElement[bool], which: ColumnElement[bool], **changed: object) -> None:
        """Copy the row for which `of` holds, for the numbers for which `which` holds; what is not `changed` stays as it is."""
        columns = [column for column in table.__table__.columns if column.name != "id" or "id" in changed]
        values = [changed.get(column.name, column) for column in columns]
        made = [
            one if isinstance(one, ColumnElement) else literal(one, own.type) for one, own in zip(values, columns, strict=True)
        ]
        copied = select(*made).select_from(self.numbers.join(table.__table__, true())).where(of, which)
        self.session.execute(insert(table).from_select([column.name for column in columns], copied))


def _offices(copies: _Copies, terminals: int) -> None:
    n = copies.numbers.c
    each = (n.n < terminals) & (n.n % TERMINALS_EACH == 0)
    of = CompanyRow.abbreviation == OFFICE[:3]
    copies.write(CompanyRow, of, (n.n < terminals) & (n.n % (TERMINALS_EACH * SIBLINGS) == 0), abbreviation=n.company)
    copies.write(OfficeRow, OfficeRow.code == OFFICE, each, code=n.office, company_abbreviation=n.company)
    copies.write(ContractRow, ContractRow.office_code == OFFICE, each, office_code=n.office)
    copies.write(AccountRow, AccountRow.office_code == OFFICE, each, office_code=n.office)


def _applications(copies: _Copies, receipt_number: str, terminals: int) -> None:
    n = copies.numbers.c
    each = (n.n < terminals) & (n.n % TERMINALS_EACH < APPLICATIONS_EACH)
    of = ApplicationRow.receipt_number == receipt_number
    names = {"receipt_number": n.receipt, "office_code": n.office, "draft_id": n.hexadecimal}
    is_open = n.n % TERMINALS_EACH == 0
    copies.write(ApplicationRow, of, each & is_open, **names)
    over = copies.session.scalars(select(ApplicationRow.reviewed_at).where(of)).one()
    copies.write(ApplicationRow, of, each & ~is_open, **names, state=ApplicationState.COMPLETED, closed_at=over)
    for table in (AdditionRow, ApplicationItemRow, ApplicationPartiesRow):
        copies.write(table, table.receipt_number == receipt_number, each, receipt_number=n.receipt)


def _terminals(copies: _Copies, redeemed: str, waiting: str, terminals: int) -> None:
    """Write terminals: one in ten waits with its codes, the others have certificates."""
    n = copies.numbers.c
    has_one = n.n % TERMINALS_EACH > 0
    for template, which in ((redeemed, has_one & (n.n < terminals)), (waiting, ~has_one & (n.n < terminals))):
        copies.write(
            TerminalRow, TerminalRow.name == template, which, name=n.terminal, office_code=n.office, receipt_number=n.application
        )
        codes = {"id": n.hexadecimal, "access_key_digest": n.octets, "receipt_number": n.application}
        if template == redeemed:
            codes |= {"serial": n.serial}
        copies.write(CodeSetRow, CodeSetRow.terminal == template, which, terminal=n.terminal, office_code=n.office, **codes)


def _certificates(copies: _Copies, redeemed: str, terminals: int) -> None:
    """Write certificates: those of the first numbers are current, all others are of years ago."""
    n, own = copies.numbers.c, CertificateRow.subject == redeemed
    has_one = n.n % TERMINALS_EACH > 0
    names = {"subject": n.terminal, "serial": n.serial, "spki_sha256": n.octets}
    copies.write(CertificateRow, own, has_one & (n.n < terminals), **names)
    then = copies.session.scalars(select(CertificateRow.not_before).where(own)).one() - timedelta(days=800)
    past = {"not_before": then, "not_after": then + timedelta(days=396), "reserved_at": then, "issued_at": then}
    copies.write(CertificateRow, own, n.n >= terminals, **names, **past)
    whose = {"terminal": n.terminal, "office_code": n.office, "serial": n.serial}
    which = has_one & (n.n < terminals)
    copies.write(CredentialRow, CredentialRow.terminal == redeemed, which, **whose)
    copies.write(RetrievalReceiptRow, RetrievalReceiptRow.terminal == redeemed, which, **whose)


def _logs(copies: _Copies, terminals: int) -> None:
    """Write what grows with every deed: audit rows, mails, news."""
    n, session = copies.numbers.c, copies.session
    entry, mail = (session.scalars(select(func.max(table.id))).one() for table in (AuditEntry, OutboxMail))
    subject = literal("terminal:") + n.terminal
    copies.write(AuditEntry, AuditEntry.id == entry, n.n >= 0, office_code=n.office, subject=subject, leaf_index=n.n + 1_000)
    kept, sent = n.n < MAILS_EACH // TERMINALS_EACH * terminals, session.scalars(select(OutboxMail.created_at).limit(1)).one()
    mails = {
        "message_id": n.hexadecimal,
        "return_token": n.hexadecimal,
        "sent_at": sent,
        "next_try_at": None,
        "recipient": n.terminal + "@example.jp",
    }
    copies.write(OutboxMail, OutboxMail.id == mail, kept, office_code=n.office, **mails)
    newest = session.scalars(select(func.max(NewsRow.id))).one()
    told = n.n < NEWS_EACH // TERMINALS_EACH * terminals
    copies.write(NewsRow, NewsRow.id == newest, told, office_code=n.office)


def _lived(house: House) -> tuple[str, str, str]:
    """Let one office live; return its application, a terminal with a certificate and one with codes."""
    database, clock = house.database, house.clock
    customer = Customer(OFFICE, "hanako")
    house.new_terminals()  # who has none yet applies for more than terminals
    today = tokyo_date(clock.now())
    contact = Contact("通関", "花子", "ツウカン", "ハナコ", "第一通関部", "", "0312345678", "", "hanako@example.jp")
    drafts, letters = Drafts(database, clock), Letters("https://localhost:8443")
    draft = drafts.begin(customer)
    for section, typed in {
        Section.CHOICE: {"items": ["terminals"], "wished_start": [today.isoformat()]},
        Section.APPLICANT: contact_form(contact),
        Section.TERMINALS: {"add.net.sea": ["2"]},
    }.items():
        draft = drafts.save(customer, draft.id, section, typed)
    receipt_number = Applications(database, clock, letters).submit(customer, draft.id, version=draft.version)
    Review(database, clock, letters).approve(receipt_number, today, approver=APPROVER)
    redeemed, waiting = house.preparation.prepare(receipt_number, PREPARER)
    house.redemption.redeem(house.codes_of(redeemed), new_request().pem, SOURCE)
    accounts = Accounts(database, clock, Passwords(memory_kib=8, passes=1))
    for login, grants, code in (("hanako", {Right.ADMINISTRATOR}, OFFICE), ("sato", set(Role), "")):
        new = NewAccount(login, "通関　花子", "hanako@example.jp", secrets.token_hex(16), frozenset(grants), code)
        accounts.add(new, audit.operator())
    return receipt_number, redeemed, waiting


def _code(number: int) -> str:
    letters, company = string.ascii_uppercase, number // SIBLINGS
    name = f"{letters[company // 676 + 1]}{letters[company // 26 % 26]}{letters[company % 26]}"
    return f"{name}{number % SIBLINGS + 2:03}"


def _terminal(number: int) -> str:
    return f"{number % 100_000:05}{string.ascii_uppercase[number // 100_000]}"


def _receipt(number: int) -> str:
    return f"{number % 1_000_000:06}{string.ascii_uppercase[number // 1_000_000 + 1]}"


def _numbered(session: Session, offices: int) -> Table:
    """Make a table of all numbers with the names that are made of them, for statements that write a million rows."""
    terminals = offices * TERMINALS_EACH
    names = {"terminal": 6, "office": 6, "company": 3, "receipt": 7, "application": 7, "hexadecimal": 32, "serial": 40}
    texts = [Column(name, String(length)) for name, length in names.items()]
    numbers = Table("bench_number", MetaData(), Column("n", Integer, primary_key=True), *texts, Column("octets", LargeBinary(32)))
    numbers.create(session.connection())
    most = terminals * CERTIFICATES_EACH
    for begin in range(0, most, _AT_ONCE):
        rows = [_number(number, offices) for number in range(begin, min(begin + _AT_ONCE, most))]
        session.execute(insert(numbers), rows)
    return numbers


def _number(number: int, offices: int) -> dict[str, object]:
    """Return a number with the names of its terminal, that one's office, and the application that made it."""
    terminal = number % (offices * TERMINALS_EACH)
    office = _code(terminal // TERMINALS_EACH)
    return {
        "n": number,
        "terminal": _terminal(terminal),
        "office": office,
        "company": office[:3],
        "receipt": _receipt(number),
        "application": _receipt(terminal // TERMINALS_EACH * TERMINALS_EACH),
        "hexadecimal": f"{number:032x}",
        "serial": f"{(1 << 158) + number:x}",
        "octets": number.to_bytes(32, "big"),
    }
