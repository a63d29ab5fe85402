"""A PC is swapped in one flow: asked for in the portal, accepted, prepared by another, retrieved; and never a gap in service.

Through the doors as their clients speak: the two web doors by forms, the retrieval and the terminals door by their REST.
"""

import itertools
import re
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask.testing import FlaskClient

from ca.certificates import CertificateState
from enrollment import id_notices, reissue
from enrollment.codes import Codes
from enrollment.protocols import retrieval, terminals
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.terminals import TerminalsDoor
from kernel import outbox
from kernel.clock import day_start, tokyo_date
from kernel.database import Database
from kernel.outbox import Wanted
from registry import calendar
from tests.crash import ledger
from tests.enrollment.renewing import Renewable, renewable
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, SOURCE, build_house, new_request
from tests.webui.conftest import Doors, open_doors
from tests.webui.visitors import Visitor
from webui.accounts import Accounts
from webui.passwords import Passwords

VALID, REVOKED = CertificateState.VALID, CertificateState.REVOKED
SECRET = re.compile(r'<span id="(access_key|auth_code_[23])-[^"]*">([^<]+)</span>')
FIRST_CODE = re.compile(r'data-label="認証コード1" class="code">([^<]+)<')


@dataclass
class World:
    """Four doors over one database, and the terminal whose PC is swapped; `presented` is what a TLS connection carries."""

    web: Doors
    clock: SettableClock
    old: Renewable
    retrieval: FlaskClient
    terminals: FlaskClient
    presented: list[bytes]

    @property
    def name(self) -> str:
        """The terminal's name."""
        return self.old.terminal

    def log_on(self, certificate: bytes, access_key: str) -> str:
        """Log on from a PC; return "permitted" or the domain's code."""
        self.presented[:] = [certificate]
        answer = self.terminals.post("/api/v1/logons", json={"terminal": self.name, "access_key": access_key})
        return "permitted" if answer.status_code == 200 else str(answer.get_json()["code"])

    def old_pc(self) -> str:
        """Log on from the old PC."""
        return self.log_on(self.old.der, self.old.access_key)

    def retrieve(self, codes: Codes) -> bytes:
        """Retrieve on the new PC, by a key of its own; return the certificate (DER)."""
        answer = self.retrieval.post("/api/v1/retrievals", json={**asdict(codes), "csr": new_request().pem.decode()})
        assert answer.status_code == 201, answer.text
        pem = str(answer.get_json()["certificate"]).encode()
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.fixture
def world(database: Database, clock: SettableClock, tmp_path: Path) -> World:
    """Open the doors; the terminal's certificate is in its renewal window."""
    # The web doors bring terminal 99999W of their own.
    house = replace(build_house(database, tmp_path, clock), _numbers=itertools.count(99_998, -1))
    old = renewable(house, clock)
    presented: list[bytes] = []

    def certificate(_environ: object) -> bytes | None:
        return presented[0] if presented else None

    asking = TerminalsDoor(house.logon, certificate, house.renewal, house.reissues, house.own_states)
    return World(
        web=open_doors(Accounts(database, clock, Passwords(memory_kib=8, passes=1)), house.preparation, house.notices),
        clock=clock,
        old=old,
        retrieval=retrieval.create_app(RetrievalDoor(house.redemption)).test_client(),
        terminals=terminals.create_app(asking).test_client(),
        presented=presented,
    )


def pressed(visitor: Visitor, path: str, form: dict[str, str] | None = None) -> str:
    """Read a page, send its form, and return the address that follows."""
    visitor.get(path)
    answer = visitor.post(path, form)
    assert answer.status_code == 303, answer.text
    return answer.location


def ask(world: World, reason: str) -> str:
    """Ask for the reissue as the office does, from the menu on; return the request's address."""
    hanako = world.web.customer()
    assert 'href="/contract/netnaccs">クライアント証明書の再発行' in hanako.get("/").text
    form = f"/terminals/{world.name}/reissue"
    assert form in hanako.get("/contract/netnaccs").text
    hanako.get(form)
    asked = hanako.post(form, {"reason": reason, "remark": "新しいパソコンが届きました。"})
    assert "まだ申し込まれていません。" in hanako.get(asked.location).text
    return pressed(hanako, form, {"reason": reason, "remark": "新しいパソコンが届きました。", "step": "do"})


def accept(world: World, path: str) -> None:
    """Let one member of staff find and accept it."""
    sato = world.web.staff("sato")
    assert path in sato.get("/reissues/?tab=decide").text
    assert "新しいパソコンが届きました。" in sato.get(path).text
    pressed(sato, f"{path}/accept")


def next_business_day(world: World) -> None:
    day = calendar.add_business_days(tokyo_date(world.clock.now()), 1)
    world.clock.instant = day_start(day) + timedelta(hours=9)


def prepare(world: World, path: str) -> None:
    """Let another one find it on the next business day and prepare its codes."""
    kato = world.web.staff("kato")
    assert path in kato.get("/reissues/?tab=prepare").text
    pressed(kato, f"{path}/codes")


def read_codes(world: World, path: str) -> Codes:
    """Let the customer read the codes where the request's page leads."""
    hanako = world.web.customer()
    assert 'href="/id-notice"' in hanako.get(path).text
    hanako.get("/id-notice")
    page = hanako.arrive("/id-notice", {"terminal": world.name}).text
    section = page.split(f'id="terminal-{world.name}"')[1].split("</section>")[0]
    [first] = FIRST_CODE.findall(section)
    return Codes(auth_code_1=first, office_code=OFFICE, **dict(SECRET.findall(section)))


def test_a_pc_is_swapped_in_one_flow_without_a_gap(world: World, database: Database) -> None:
    steps = [world.old_pc()]
    path = ask(world, "pc-replaced")
    steps.append(world.old_pc())
    accept(world, path)
    steps.append(world.old_pc())
    assert world.old.told() == "reissue-pending"
    assert "再発行を申し込んだ職員と承認した職員は" not in world.web.staff("kato").get(f"{path}/codes").text
    next_business_day(world)
    prepare(world, path)
    steps.append(world.old_pc())
    codes = read_codes(world, path)
    steps.append(world.old_pc())
    new = world.retrieve(codes)
    assert steps == ["permitted"] * len(steps)
    assert world.log_on(new, codes.access_key) == "permitted"
    assert (world.old_pc(), world.log_on(world.old.der, codes.access_key)) == ("A0018", "A0036")
    assert sorted(world.old.states().values()) == sorted([REVOKED, VALID])
    assert "前の証明書は失効しています。" in world.web.customer().get(path).text
    assert path in world.web.staff("sato").get(f"/reissues/?tab=ended&q={world.name}").text
    assert ledger.faults(world.old.house, []) == []
    with database.snapshot() as session:
        mails = outbox.search(session, Wanted(mentioning=world.name), most=100)
    subjects = " ".join(mail.subject for mail in mails)
    assert all(told in subjects for told in ("再発行申込受付", "再発行のお知らせ", "デジタル証明書発行完了"))
    secrets = (codes.access_key, codes.auth_code_2, codes.auth_code_3)
    assert [mail.subject for mail in mails if any(secret in mail.body for secret in secrets)] == []


def test_of_a_stolen_pc_nothing_works_from_the_acceptance_on(world: World) -> None:
    path = ask(world, "stolen")
    assert world.old_pc() == "permitted"
    accept(world, path)
    assert world.old_pc() == "A0036"
    next_business_day(world)
    prepare(world, path)
    codes = read_codes(world, path)
    assert world.old_pc() == "A0036"
    new = world.retrieve(codes)
    assert (world.log_on(new, codes.access_key), world.log_on(world.old.der, codes.access_key)) == ("permitted", "A0036")


def test_a_new_pc_that_never_comes_ends_the_old_one_after_two_months(world: World, database: Database) -> None:
    house = world.old.house
    [(name, codes)] = house.new_codes()
    certificate = house.redemption.redeem(codes, new_request().pem, SOURCE).certificate
    world.old = Renewable(house, name, codes.access_key, certificate)  # its own end is a year away
    path = ask(world, "windows-account")
    accept(world, path)
    world.clock.advance(timedelta(days=70))
    assert reissue.end_overdue(database, world.clock.now()) == 0  # nobody has prepared: that is not the customer's fault
    assert "遅れています" in world.web.staff("kato").get(path).text
    prepare(world, path)
    last = calendar.months_after(tokyo_date(world.clock.now()), 2)
    world.clock.instant = day_start(last) + timedelta(hours=23)
    assert (reissue.end_overdue(database, world.clock.now()), world.old_pc()) == (0, "permitted")
    world.clock.instant = day_start(last + timedelta(days=1))
    assert (reissue.end_overdue(database, world.clock.now()), id_notices.expire_due(database, world.clock.now())) == (1, 1)
    assert (world.old_pc(), list(world.old.states().values())) == ("A0036", [REVOKED])
    assert "終了(取得なし)" in world.web.customer().get(path).text
