"""The demo home: the reference's company, office and terminal, with people of our own invention and random passwords.

Terminal 99999W gets its certificate as any other: codes prepared by two people, read by the customer, redeemed at the
retrieval door by the real client. Every step looks first whether it was done.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from enrollment.client import retrieval
from enrollment.client.connection import Server
from enrollment.client.folder import CERTIFICATE, CHAIN, KEY, Folder
from enrollment.codes import Codes
from enrollment.id_notices import IdNotices
from kernel import audit
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals
from registry.applicants import Contact
from registry.contracts import Broker, Business, ContractEntry, GeneralTerminal, Line, UserCode
from registry.offices import Company, OfficeEntry
from registry.registration import Offices
from registry.states import DeviceClass, PaymentMethod, PricePlan, SystemClass
from registry.terminals import Takeover
from server import demo_bills, demo_notices
from server.custody import Custody
from server.doors import listen
from server.founding import Say
from server.home import Home, write_whole
from server.pages import factors_of
from server.preparing import preparation_of
from server.settings import DOORS, DoorSettings, Settings
from server.supervisor import Child, running
from server.wiring import clock_of, home_of
from webui.accounts import Accounts, Door, NewAccount, Right, Role
from webui.factors import Factors, totp

OFFICE, TERMINAL, USER_CODE = "NAC001", "99999W", "1ANAC"
PASSWORD_OCTETS = 12
# A terminal that was taken over came by no application.
NO_RECEIPT = None
REVIEWER, ISSUER = "sato", "suzuki"
HANAKO = Contact(
    family_name="通関",
    given_name="花子",
    family_kana="ツウカン",
    given_kana="ハナコ",
    department="業務部",
    title="システム管理責任者",
    phone="0120000000",
    fax="0120000000",
    mail="hanako@example.jp",
)
COMPANY = Company(
    abbreviation="NAC",
    name="通関商事株式会社",
    latin_name="Tsukan Shoji K.K.",
    postal_code="1000000",
    address="東京都架空区通関一丁目２番３号",
    phone="0120000000",
)
BUREAU = OfficeEntry(
    code=OFFICE,
    name="東京事業所",
    postal_code="1000000",
    address="東京都架空区通関一丁目２番３号",
    phone="0120000000",
    fax="0120000000",
    customs_office="東京税関",
    billing_code="1234567",
    administrator=HANAKO,
)


@dataclass(frozen=True)
class DemoPerson:
    """Somebody who may log in to the demo; staff have no office. Who has no app registers one when it is first needed."""

    login: str
    name: str
    grants: frozenset[Right | Role]
    office_code: str = ""
    has_app: bool = True


PEOPLE = (
    DemoPerson("hanako", "通関　花子", frozenset(Right), OFFICE, has_app=False),
    DemoPerson("jiro", "通関　次郎", frozenset({Right.APPLY, Right.CODES}), OFFICE),
    DemoPerson(REVIEWER, "佐藤　明", frozenset({Role.REVIEW})),
    DemoPerson(ISSUER, "鈴木　薫", frozenset({Role.ISSUING})),
    DemoPerson("takahashi", "高橋　歩", frozenset({Role.SECURITY})),
)


@dataclass(frozen=True)
class LogIn:
    """By what somebody of the demo logs in; `totp_secret` (base32) is what an authenticator app is given, if there is one."""

    password: str = field(repr=False)
    totp_secret: str | None = field(repr=False)


def has_begun(home: Home) -> bool:
    """Return whether a home is a demo's, finished or not."""
    return home.demo_file.exists() or _passwords_file(home).exists()


def begin(home: Home) -> None:
    """Mark a home as a demo's and choose passwords and authenticator apps, which must outlive an interruption."""
    if not has_begun(home):
        chosen = {person.login: asdict(_choose(person)) for person in PEOPLE}
        write_whole(_passwords_file(home), json.dumps(chosen))


def _choose(person: DemoPerson) -> LogIn:
    return LogIn(secrets.token_urlsafe(PASSWORD_OCTETS), totp.new_secret() if person.has_app else None)


def make(settings: Settings, database: Database, say: Say) -> None:
    """Put the demo into a home that is founded; at its end stands demo.json."""
    home = home_of(settings)
    if home.demo_file.exists():
        return
    clock = clock_of(settings)
    read = json.loads(_passwords_file(home).read_text(encoding="utf-8"))
    log_ins = {login: LogIn(**chosen) for login, chosen in read.items()}
    today = tokyo_date(clock.now())
    say("company, office and people")
    _register(database, clock, today)
    demo_bills.make(database, clock, OFFICE, TERMINAL, USER_CODE)
    demo_notices.make(database, clock, audit.staff(REVIEWER), audit.staff(ISSUER))
    _add_people(Accounts(database, clock), factors_of(settings, database, clock), log_ins)
    say(f"terminal {TERMINAL} retrieves its certificate")
    _prepare_terminal(settings, database, clock, today)
    terminal = _retrieve(settings, _read_codes(settings, database, clock))
    write_whole(home.demo_file, json.dumps(_content(settings, log_ins, terminal), ensure_ascii=False, indent=2) + "\n")
    for draft in (_passwords_file(home), _codes_file(home)):
        draft.unlink()


def _passwords_file(home: Home) -> Path:
    """Where passwords and secrets wait until demo.json stands."""
    return home.path / "demo-unfinished.json"


def _codes_file(home: Home) -> Path:
    """Where the terminal's codes wait until demo.json stands."""
    return home.path / "demo-codes.json"


def _register(database: Database, clock: Clock, today: date) -> None:
    contract = ContractEntry(
        contractor_name="通関　太郎",
        contractor_title="代表取締役",
        billing_name=COMPANY.name,
        billing_postal_code=COMPANY.postal_code,
        billing_address=COMPANY.address,
        billing_contact="経理部",
        billing_phone=COMPANY.phone,
        signed_on=today,
        price_plan=PricePlan.A,
        payment_method=PaymentMethod.DEBIT,
        mailboxes=2,
        user_codes=(_user_code(today, "001"), _user_code(today, "002")),
        businesses=(Business(system_class=SystemClass.SEA, business="通関業", start_date=today),),
        lines=(
            Line(number="L000001", postal_code=BUREAU.postal_code, place=BUREAU.address, kind="shared", start_date=today),
            Line(number="L000002", postal_code=BUREAU.postal_code, place="東京都架空区埠頭９番", kind="double", start_date=today),
        ),
        general_terminals=(
            GeneralTerminal(name="00001G", system_class=SystemClass.SEA, device="pc", line_number="L000001", start_date=today),
            GeneralTerminal(
                name="00002G", system_class=SystemClass.SEA, device="printer", line_number="L000001", start_date=today
            ),
        ),
        brokers=(
            Broker(
                user_code=USER_CODE,
                id_number="0A1",
                family_name="通関",
                given_name="士郎",
                family_kana="ツウカン",
                given_kana="シロウ",
                licence="00-0001",
                start_date=today,
            ),
        ),
    )
    with _unless("office-exists"):
        Offices(database, clock).register(COMPANY, BUREAU, contract, actor=audit.operator("demo"))


def _user_code(today: date, id_number: str) -> UserCode:
    return UserCode(
        system_class=SystemClass.SEA,
        business="通関業",
        processing="会話型",
        user_code=USER_CODE,
        id_number=id_number,
        paid_statistics=False,
        free_statistics=True,
        storage=True,
        shared=False,
        start_date=today,
    )


def _add_people(accounts: Accounts, factors: Factors, log_ins: Mapping[str, LogIn]) -> None:
    for person in PEOPLE:
        account = NewAccount(
            login=person.login,
            name=person.name,
            mail=f"{person.login}@example.jp",
            password=log_ins[person.login].password,
            grants=person.grants,
            office_code=person.office_code,
        )
        with _unless("account-exists"):
            accounts.add(account, audit.operator("demo"))
    for known in (*accounts.listed(Door.PORTAL), *accounts.listed(Door.CENTER)):
        secret = log_ins[known.login].totp_secret
        if secret is not None:
            factors.provide_totp(known, secret, audit.operator("demo"))


def _prepare_terminal(settings: Settings, database: Database, clock: Clock, today: date) -> None:
    now = clock.now()
    with _unless("terminal-exists"), database.transaction() as session:
        takeover = Takeover(TERMINAL, OFFICE, SystemClass.SEA, DeviceClass.NET, today)
        terminals.register_existing(session, takeover, now=now)
        audit.record(
            session,
            now=now,
            actor=audit.operator("demo"),
            action="terminal.register",
            subject=f"terminal:{TERMINAL}",
            office_code=OFFICE,
        )
    if IdNotices(database, clock, Custody(settings).opener()).notice(NO_RECEIPT, OFFICE) is None:
        preparation_of(settings, database).prepare_existing(TERMINAL, audit.staff(REVIEWER), audit.staff(ISSUER))


@contextmanager
def _unless(code: str) -> Iterator[None]:
    """Let one refusal pass: it says that the step was done before an interruption."""
    try:
        yield
    except Refused as refusal:
        if refusal.code != code:
            raise


def _read_codes(settings: Settings, database: Database, clock: Clock) -> Codes:
    """Read the codes as the customer does, once: they are kept until the certificate lies beside them."""
    draft = _codes_file(home_of(settings))
    if not draft.exists():
        notices = IdNotices(database, clock, Custody(settings).opener())
        codes = notices.show(NO_RECEIPT, OFFICE, TERMINAL, audit.customer(OFFICE, PEOPLE[0].login))
        write_whole(draft, json.dumps(asdict(codes)))
    return Codes(**json.loads(draft.read_text(encoding="utf-8")))


def _retrieve(settings: Settings, codes: Codes) -> dict[str, str]:
    """Let the real client fetch the certificate from the real door, which runs for this only."""
    home = home_of(settings)
    folder = home.demo / TERMINAL
    if Folder(folder).holding() is None or Folder(folder).is_pending():
        listener = listen("retrieval", DoorSettings(bind="127.0.0.1:0"))
        url = f"https://localhost:{listener.getsockname()[1]}"
        with running(Child("retrieval", ["serve", "retrieval"], home.logs / "retrieval.log", listener)):
            retrieval.retrieve(codes, Server(url, home.root_bundle, clock_of(settings)), folder)
    files = {name.partition(".")[0]: str(folder / name) for name in (KEY, CERTIFICATE, CHAIN)}
    return {"name": TERMINAL, "office_code": OFFICE, "access_key": codes.access_key, "folder": str(folder), **files}


def _content(settings: Settings, log_ins: Mapping[str, LogIn], terminal: dict[str, str]) -> dict[str, Any]:
    customers = [person for person in PEOPLE if person.office_code]
    staff = [person for person in PEOPLE if not person.office_code]
    return {
        **{name: settings.door(name).url for name in DOORS},
        "ca_bundle": str(home_of(settings).root_bundle),
        "customers": [
            {"office_code": person.office_code, "user": person.login, **asdict(log_ins[person.login])} for person in customers
        ],
        "staff": [
            {"user": person.login, **asdict(log_ins[person.login]), "role": next(iter(person.grants)).value} for person in staff
        ],
        "terminal": terminal,
    }
