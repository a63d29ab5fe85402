"""Both doors over a built house, with people who can log in, and the way of an application through the real use cases."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import flask
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import update

from enrollment.batches.deeds import Batches
from enrollment.departures import Departures
from enrollment.diagnosis_cases import Cases
from enrollment.disclosure import Disclosures
from enrollment.documents.children import Children
from enrollment.documents.desk import Desk
from enrollment.documents.facts import Publisher
from enrollment.documents.verification import Verification
from enrollment.ending import Endings
from enrollment.generations.changes import GenerationChanges
from enrollment.id_notices import IdNotices
from enrollment.preparation import CodePreparation
from enrollment.reissue import Reissues
from enrollment.start_moves import StartMoves
from enrollment.windows_scripts import WindowsScripts
from kernel import audit
from kernel.database import Database
from keys.codes import CodeHasher, Opener, Sealer
from keys.vault import Vault
from registry.applicants import Contact, contact_form
from registry.applications import Applications, Corrections, Review
from registry.attachments import Attachments, Store
from registry.bulletin import BulletinDesk
from registry.drafts import Customer, Drafts, Section
from registry.letters import Letters
from registry.registration import Offices
from registry.states import DeviceClass, SystemClass, TerminalState
from registry.terminals import Takeover, register_existing
from tests.support.clock import SettableClock
from tests.support.house import House, build_house, company, contract, office
from tests.support.recorded import recorded
from tests.webui.routes import keep_compiled_routes
from tests.webui.visitors import PASSWORD, TOTP_SECRET, Visitor, code_at
from webui import bulletin, center, portal
from webui.accounts import Accounts, Door, NewAccount, Person, Right, Role, contact_of
from webui.bulletin import BulletinParts
from webui.center.parts import CenterParts
from webui.doorway import DoorParts, DoorSettings
from webui.factors import AccountLetters, Factors, LogIns, Passkeys, RelyingParty
from webui.factors.tables import TotpRow
from webui.passwords import Passwords
from webui.spoken import SpokenEnvironment

OPERATOR = audit.operator("test")
SATO, KATO = audit.staff("sato"), audit.staff("kato")
HANAKO = Customer("NAC001", "hanako")
START = date(2026, 12, 15)  # a Tuesday, beyond the standard lead time
TERMINAL = "99999W"
APPLICANT = Contact("通関", "花子", "ツウカン", "ハナコ", "第一通関部", "係長", "0312345678", "", "hanako@example.jp")


class CompiledTemplates(BytecodeCache):
    """Compiled templates for all apps of the suite: each test makes its own two."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in a template that was compiled before."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template that was just compiled."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


# What signs the audit log's heads, where a test seals it.
LOG_KEY = Ed25519PrivateKey.generate()
# What words mails, and knows how to reach who did something.
LETTERS = Letters("https://localhost:8443", correspondent=contact_of)
# Where no file can be put.
NOWHERE = Path("/dev/null")
TEMPLATES: Mapping[str, CompiledTemplates] = {"ja": CompiledTemplates(), "en": CompiledTemplates()}
# A busy machine takes its time to start them.
CHILDREN = Children(patience=60)
keep_compiled_routes()


def keep_templates(app: flask.Flask) -> None:
    """Let an app share its compiled templates, those of either language, with all others."""
    environment = app.jinja_env
    assert isinstance(environment, SpokenEnvironment)
    environment.bytecode_cache = TEMPLATES["ja"]
    if environment.english is not None:
        environment.english.bytecode_cache = TEMPLATES["en"]


@dataclass(frozen=True)
class Doors:
    """Both apps over one database."""

    database: Database
    clock: SettableClock
    accounts: Accounts
    drafts: Drafts
    applications: Applications
    review: Review
    preparation: CodePreparation
    portal: flask.Flask
    center: flask.Flask
    factors: Factors

    def customer(self, user: str = "hanako", *, office_code: str = "NAC001", address: str = "192.0.2.1") -> Visitor:
        """Return a logged-in user of an office; by password alone, where the user has no second factor."""
        return self.enter(Visitor(self.portal, address), user, office_code)

    def staff(self, user: str = "sato", address: str = "192.0.2.2") -> Visitor:
        """Return a logged-in member of staff, who has an authenticator app now."""
        self.code(user)  # which gives one to who has none
        return self.enter(Visitor(self.center, address), user)

    def enter(self, visitor: Visitor, user: str, office_code: str = "") -> Visitor:
        """Log in, with the second step where there is one."""
        answer = visitor.log_in(office_code=office_code, user=user) if office_code else visitor.log_in(user=user)
        assert answer.status_code == 303
        if answer.location.startswith("/login/second"):
            visitor.get(answer.location)
            assert visitor.post("/login/second", {"factor_code": self.code(user, office_code)}).location == "/"
        return visitor

    def code(self, user: str, office_code: str = "") -> str:
        """Return a code of somebody's app that was not used yet, though this clock stands still."""
        person = self.person(user, office_code)
        self.factors.provide_totp(person, TOTP_SECRET, OPERATOR)
        with self.database.transaction() as session:
            session.execute(update(TotpRow).where(TotpRow.account_id == person.account_id).values(last_step=-1))
        return code_at(self.clock)

    def person(self, user: str, office_code: str = "") -> Person:
        """Return somebody by log-in name; staff have no office."""
        door = Door.PORTAL if office_code else Door.CENTER
        return next(one for one in self.accounts.listed(door) if (one.login, one.office_code) == (user, office_code))

    def applied(self, count: int = 2) -> str:
        """Apply for some more netNACCS terminals for sea, and return the receipt number."""
        draft = self.drafts.begin(HANAKO)
        pages = {
            Section.CHOICE: {"items": ["terminals"], "wished_start": [START.isoformat()]},
            Section.APPLICANT: contact_form(APPLICANT),
            Section.TERMINALS: {"add.net.sea": [str(count)]},
        }
        for section, typed in pages.items():
            draft = self.drafts.save(HANAKO, draft.id, section, typed)
        return self.applications.submit(HANAKO, draft.id, version=draft.version)

    def prepared(self, count: int = 2) -> tuple[str, tuple[str, ...]]:
        """Apply, approve and prepare; return the receipt number and the terminals' names."""
        number = self.applied(count)
        self.review.approve(number, START, approver=SATO)
        return number, self.preparation.prepare(number, KATO)


@pytest.fixture
def accounts(database: Database, clock: SettableClock) -> Accounts:
    """Return accounts whose hashes are cheap."""
    return Accounts(database, clock, Passwords(memory_kib=8, passes=1))


@pytest.fixture
def doors(database: Database, clock: SettableClock, accounts: Accounts, tmp_path: Path) -> Doors:
    """Return both doors over a database without certificates.

    NAC001 has terminal 99999W and the users hanako (all rights) and jiro (none), NAC002 saburo (all rights). Staff are
    sato (review), kato (issuing), ito (security).
    """
    offices = Offices(database, clock)
    what = ("an office", clock.now())
    recorded(what, database, (), lambda: offices.register(company(), office(), contract(), actor=OPERATOR))
    sealing = X25519PrivateKey.generate()
    preparation = CodePreparation(
        database,
        clock,
        CodeHasher(b"a secret of thirty-two octets ..."),
        Sealer(sealing.public_key()),
        LETTERS,
    )
    return open_doors(accounts, preparation, IdNotices(database, clock, Opener(sealing)), tmp_path)


@pytest.fixture
def house(database: Database, clock: SettableClock, tmp_path: Path) -> House:
    """Return a house whose CA stands."""
    return build_house(database, tmp_path, clock)


@pytest.fixture
def issuing_doors(house: House, accounts: Accounts, tmp_path: Path) -> Doors:
    """Return the same two doors over a house that can issue certificates."""
    return open_doors(accounts, house.preparation, house.notices, tmp_path)


def open_doors(accounts: Accounts, preparation: CodePreparation, notices: IdNotices, files: Path = NOWHERE) -> Doors:
    """Make both doors over a database in which NAC001 is registered; what customers send lies in `files`."""
    database, clock = accounts.database, accounts.clock
    attachments = Attachments(database, clock, Store(files / "attachments"))
    assert isinstance(clock, SettableClock)
    words = AccountLetters()
    factors = Factors(database, clock, Vault(b"another secret of thirty-two ...", "second factors"), words)
    what = ("people of two offices", clock.now(), accounts.passwords)
    recorded(what, database, (), lambda: _settle(accounts, factors))
    door = door_parts(accounts, factors, "https://localhost:8443")
    letters = LETTERS
    drafts, applications = Drafts(database, clock), Applications(database, clock, letters)
    review = Review(database, clock, letters)
    shown = replace(notices, administrators=accounts.administrators, letters=letters)
    reissues = Reissues(database, clock, letters=letters)
    batches, scripts = Batches(database, clock), WindowsScripts("https://localhost:8444", b"")
    papers = Desk(database, clock, Publisher("https://localhost:8443"), CHILDREN)
    customers = portal.PortalParts(
        door,
        drafts,
        applications,
        shown,
        reissues,
        Endings(database, clock, letters),
        Cases(database, clock),
        batches,
        scripts,
        papers,
        Verification(database, clock, CHILDREN),
        LOG_KEY.public_key().verify,
        "https://localhost:8444",
        attachments=attachments,
        corrections=Corrections(database, clock),
    )
    staff = _center_parts(door, review, preparation, papers, attachments)
    portal_app, center_app = portal.create_app(customers, bulletin.blueprint), center.create_app(staff)
    bulletin.equip(portal_app, BulletinParts((), "https://localhost:8444"))
    keep_templates(portal_app)
    keep_templates(center_app)
    return Doors(database, clock, accounts, drafts, applications, review, preparation, portal_app, center_app, factors)


def _center_parts(
    door: DoorParts, review: Review, preparation: CodePreparation, papers: Desk, attachments: Attachments
) -> CenterParts:
    database, clock, letters = door.database, door.clock, review.letters
    return CenterParts(
        door,
        review,
        preparation,
        Endings(database, clock),
        Departures(database, clock, letters),
        StartMoves(database, clock, letters),
        GenerationChanges(database, clock),
        Disclosures(database, clock, letters),
        papers,
        Reissues(database, clock, letters=letters),
        BulletinDesk(database, clock),
        Cases(database, clock),
        attachments=attachments,
    )


def door_parts(accounts: Accounts, factors: Factors, public_url: str) -> DoorParts:
    """Return the surroundings of the pages of a door at an address."""
    database, clock, words = accounts.database, accounts.clock, factors.letters
    passkeys = Passkeys(database, clock, RelyingParty.of(public_url, "tegata"), words)
    return DoorParts(
        database,
        clock,
        accounts,
        DoorSettings(public_url),
        factors=factors,
        passkeys=passkeys,
        log_ins=LogIns(database, clock, words),
        letters=LETTERS,
    )  # fmt: skip


def _settle(accounts: Accounts, factors: Factors) -> None:
    """Register another office and a terminal, and add everybody who can log in."""
    database, clock = accounts.database, accounts.clock
    Offices(database, clock).register(company(), replace(office("NAC002"), name="大阪営業所"), contract(), actor=OPERATOR)
    takeover = Takeover(TERMINAL, "NAC001", SystemClass.SEA, DeviceClass.NET, date(2025, 4, 1), TerminalState.IN_SERVICE)
    with database.transaction() as session:
        register_existing(session, takeover, now=clock.now())
    _add_people(accounts, factors)


def _add_people(accounts: Accounts, factors: Factors) -> None:
    for login, office_code, rights in (
        ("hanako", "NAC001", frozenset(Right)),
        ("jiro", "NAC001", frozenset[Right]()),
        ("saburo", "NAC002", frozenset(Right)),
    ):
        person = accounts.add(NewAccount(login, "通関 花子", f"{login}@example.jp", PASSWORD, rights, office_code), OPERATOR)
        factors.provide_totp(person, TOTP_SECRET, OPERATOR)
    for login, role in (("sato", Role.REVIEW), ("kato", Role.ISSUING), ("ito", Role.SECURITY)):
        accounts.add(NewAccount(login, "佐藤", f"{login}@example.jp", PASSWORD, frozenset({role})), OPERATOR)
