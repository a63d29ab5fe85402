"""Two offices of two companies, each with one of everything that an office has, made through the real use cases.

All that is typed for an office holds a word of its own, so that its texts are known wherever they turn up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from enrollment.batches.deeds import Batches
from enrollment.ending import Endings
from enrollment.receipts import Receipts
from enrollment.reissue import Reissues
from enrollment.reissue_records import ReissueReason
from enrollment.staff_views import Reason
from kernel import audit
from kernel.audit import CheckpointSigner
from kernel.clock import tokyo_date
from registry.applicants import Contact, contact_form
from registry.billing.closing import Closing
from registry.billing.prices import read_prices
from registry.contracts import Broker, ContractEntry, GeneralTerminal, Line, UserCode
from registry.drafts import Customer, Section
from registry.letters import Letters
from registry.offices import Company, OfficeEntry
from registry.registration import Offices
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover, register_existing
from tests.enrollment.test_batches import csr
from tests.support.documents import notices
from tests.support.house import SOURCE, House, new_request
from tests.webui.conftest import KATO, OPERATOR, SATO, Doors
from tests.webui.visitors import PASSWORD, TOTP_SECRET
from webui.accounts import NewAccount, NewUser, Right, UserLetters, Users
from webui.accounts.addresses import AddressChanges
from webui.factors.tables import PasskeyRow

SINCE = date(2025, 4, 1)
SEALING = Ed25519PrivateKey.generate()
# Who there is in each office: a user for each right alone, one who holds them all, one who holds none.
RIGHTS: Mapping[str, frozenset[Right]] = {
    "boss": frozenset({Right.ADMINISTRATOR}),
    **{right.value: frozenset({right}) for right in Right if right is not Right.ADMINISTRATOR},
    "looker": frozenset(),
}


@dataclass(frozen=True)
class Neighbour:
    """An office's code, its words in Latin letters, kanji and katakana, its telephone, and the names of its first terminals."""

    code: str
    word: str
    kanji: str
    kana: str
    phone: str
    series: int

    @property
    def words(self) -> tuple[str, ...]:
        """All that names nobody else."""
        return (self.code, self.word, self.word.capitalize(), self.kanji, self.kana, self.phone)

    def login(self, who: str) -> str:
        """Return the log-in name of one of `RIGHTS`, or of another."""
        return f"{self.word}-{who}"

    def terminal(self, number: int) -> str:
        """Return the name of a terminal that was taken over."""
        return f"{self.series + number}W"

    def customer(self, who: str = "boss") -> Customer:
        """Return a user as the registry knows them."""
        return Customer(self.code, self.login(who))

    def contact(self, who: str) -> Contact:
        """Return a person of the office."""
        mail = f"{who}@{self.word}.example.jp"
        return Contact(self.kanji, "花子", self.kana, "ハナコ", f"{self.kanji}部", "", self.phone, "", mail)


JADE = Neighbour("JDE001", "jade", "翡翠", "ヒスイ", "0311112222", 61_000)
CORAL = Neighbour("CRL001", "coral", "珊瑚", "サンゴ", "0633334444", 72_000)


def settle(doors: Doors, house: House, one: Neighbour) -> list[str]:
    """Let an office have lived for a while; return addresses that only the answers to forms lead to."""
    Offices(doors.database, doors.clock).register(_company(one), _office(one), _contract(one), actor=OPERATOR)
    _people(doors, one)
    with doors.database.transaction() as session:
        for number in range(5):
            taken = Takeover(one.terminal(number), one.code, SystemClass.SEA, DeviceClass.WEB, SINCE)
            register_existing(session, taken, now=doors.clock.now())
    for number in range(4):
        doors.preparation.prepare_existing(one.terminal(number), SATO, KATO)
    _applications(doors, house, one)
    _certificates(doors, house, one)
    draft = doors.drafts.begin(one.customer())
    doors.drafts.save(one.customer(), draft.id, Section.REMARKS, {"remarks": [f"{one.kanji}の下書き"]})
    _attach(doors, one, draft.id)
    Closing(doors.database, read_prices(), 1).close_due(doors.clock.now() + timedelta(days=40))
    files = [(f"{one.terminal(2)}.csr", csr(one.terminal(2)))]
    Batches(doors.database, doors.clock).upload(one.code, files, one.customer().actor)
    boss = doors.person(one.login("boss"), one.code)
    changes = AddressChanges(doors.database, doors.clock, UserLetters(Letters("https://localhost:8443")))
    changes.of_user(boss, f"other@{one.word}.example.jp")
    case = doors.portal.extensions["webui-portal"].cases.open(one.terminal(0), one.customer().actor)
    return [f"/terminals/{one.terminal(0)}/doctor/{case.number}"]


def _applications(doors: Doors, house: House, one: Neighbour) -> None:
    """Have an application in each state that its pages tell apart."""
    today = tokyo_date(doors.clock.now())
    prepared = _applied(doors, one, today)
    doors.review.approve(prepared, today, approver=SATO)
    first, second, *_ = doors.preparation.prepare(prepared, KATO)
    house.redemption.redeem(house.codes_of(first), new_request().pem, SOURCE)
    house.notices.freeze(prepared, one.code, second, one.customer().actor)
    queried, answered, rejected, withdrawn, _fresh = (_applied(doors, one, date(2026, 12, 15)) for _ in range(5))
    for number in (queried, answered):
        doors.review.query(number, f"{one.kanji}への確認事項", actor=SATO)
    doors.applications.answer(one.customer(), answered, f"{one.kanji}の回答")
    doors.review.reject(rejected, f"{one.kanji}の理由", actor=SATO)
    doors.applications.withdraw(one.customer(), withdrawn)
    notices(house).make_due(doors.clock.now())


def _attach(doors: Doors, one: Neighbour, draft_id: str) -> None:
    doors.portal.extensions["webui-portal"].attachments.attach(
        one.customer(), draft_id, [(f"{one.kanji}.txt", f"{one.kanji}の添付".encode())]
    )


def _applied(doors: Doors, one: Neighbour, wished: date) -> str:
    draft = doors.drafts.begin(one.customer())
    pages = {
        Section.CHOICE: {"items": ["terminals"], "wished_start": [wished.isoformat()]},
        Section.APPLICANT: contact_form(one.contact("applicant")),
        Section.TERMINALS: {"add.net.sea": ["4"]},
        Section.REMARKS: {"remarks": [f"{one.kanji}の備考"]},
    }
    _attach(doors, one, draft.id)
    version = 0
    for section, typed in pages.items():
        version = doors.drafts.save(one.customer(), draft.id, section, typed).version
    return doors.applications.submit(one.customer(), draft.id, version=version)


def _certificates(doors: Doors, house: House, one: Neighbour) -> None:
    """Have a certificate in use with its receipt and a reissue, and a revoked one."""
    for number in (0, 1):
        house.redemption.redeem(house.codes_of(one.terminal(number)), new_request().pem, SOURCE)
    Endings(doors.database, doors.clock).revoke(one.terminal(1), Reason.KEY_COMPROMISE, SATO)
    reissues = Reissues(doors.database, doors.clock)
    reissues.request(
        one.terminal(0),
        ReissueReason.PC_REPLACED,
        one.customer().actor,
        office_code=one.code,
        remark=f"{one.kanji}の新しいパソコン",
    )
    signer = CheckpointSigner("example.jp/log", SEALING.public_key().public_bytes_raw(), SEALING.sign)
    audit.seal(doors.database, signer, now=doors.clock.now())
    Receipts(doors.database, SEALING.public_key().verify).settle_due(doors.clock.now())


def _people(doors: Doors, one: Neighbour) -> None:
    for who, rights in {**RIGHTS, "disabled": frozenset(Right)}.items():
        mail = f"{who}@{one.word}.example.jp"
        account = NewAccount(one.login(who), f"{one.kanji} {who}", mail, PASSWORD, rights, one.code)
        person = doors.accounts.add(account, OPERATOR)
        doors.factors.provide_totp(person, TOTP_SECRET, OPERATOR)
        with doors.database.transaction() as session:  # no browser here whose key could be registered
            session.add(
                PasskeyRow(
                    account_id=person.account_id,
                    credential_id=f"{one.word}-{who}".encode(),
                    public_key=b"",
                    sign_count=0,
                    name=f"{one.kanji}の鍵",
                    created_at=doors.clock.now(),
                )
            )
    users = Users(doors.database, doors.clock, UserLetters(Letters("https://localhost:8443")))
    boss = doors.person(one.login("boss"), one.code)
    new = NewUser(one.login("guest"), f"{one.kanji} 招待", f"guest@{one.word}.example.jp", frozenset({Right.CODES}), one.code)
    users.invite(replace(new, office_name=f"{one.kanji}支店"), boss)


def _company(one: Neighbour) -> Company:
    latin = f"{one.word.capitalize()} Trading"
    return Company(one.code[:3], f"{one.kanji}商事", latin, "1050001", f"東京都{one.kanji}町", one.phone)


def _office(one: Neighbour) -> OfficeEntry:
    return OfficeEntry(
        code=one.code,
        name=f"{one.kanji}支店",
        postal_code="1050001",
        address=f"東京都{one.kanji}町",
        phone=one.phone,
        fax="",
        customs_office="東京税関",
        billing_code="1234567",
        administrator=one.contact("administrator"),
    )


def _contract(one: Neighbour) -> ContractEntry:
    code, number = f"{one.code[:3]}01", f"L0{one.series}"
    user_code = UserCode(
        system_class=SystemClass.SEA,
        business="通関業",
        processing="輸出入",
        user_code=code,
        id_number="001",
        paid_statistics=True,
        free_statistics=False,
        storage=True,
        shared=False,
        start_date=SINCE,
    )
    line = Line(number=number, postal_code="1350064", place=f"東京都{one.kanji}町", kind="shared", start_date=SINCE)
    general = GeneralTerminal(
        name=f"{one.series + 9}G", system_class=SystemClass.AIR, device="pc", line_number=number, start_date=SINCE
    )
    broker = Broker(
        user_code=code,
        id_number="0A1",
        family_name=one.kanji,
        given_name="士郎",
        family_kana=one.kana,
        given_kana="シロウ",
        licence=f"12-{one.series}",
        start_date=SINCE,
    )
    return ContractEntry(
        contractor_name=f"{one.kanji}　太郎",
        contractor_title="代表取締役",
        billing_name=f"{one.kanji}商事",
        billing_postal_code="1050001",
        billing_address=f"東京都{one.kanji}町",
        billing_contact=f"{one.kanji}経理部",
        billing_phone=one.phone,
        signed_on=date(2020, 4, 1),
        user_codes=(user_code,),
        lines=(line,),
        general_terminals=(general,),
        brokers=(broker,),
    )
