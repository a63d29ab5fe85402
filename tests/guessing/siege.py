"""A house with all its doors under attack by somebody who knows every name, number and address, and none of the secrets.

Whoever is attacked is known to exist, which is the worst case; the others are there to show that nobody harms them.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import update

from enrollment.codes import ALPHABET, Codes
from enrollment.protocols import problems, retrieval, terminals
from enrollment.protocols.cmp import door as cmp
from enrollment.protocols.est import door as est
from enrollment.protocols.est.server_keys import ServerKeys
from enrollment.protocols.page import door as page
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.scep import door as scep
from enrollment.protocols.terminals import TerminalsDoor
from kernel import audit
from kernel.database import Database
from keys.codes import CodeHasher, Opener
from server.retrieval_lane import RetrievalLane
from tests.crash.bulk import prepare_many
from tests.support import lane
from tests.support.clock import SettableClock
from tests.support.cmp import cmp_door_of, cmp_signer_of
from tests.support.house import SOURCE, House, Request, build_house, new_request
from tests.support.interfaces import IN_LANE, PEER, Holder, Reply, World
from tests.support.retrieval_page import page_of
from tests.support.scep_door import operations_of
from tests.webui.conftest import Doors, open_doors
from tests.webui.visitors import PASSWORD, TOTP_SECRET, Visitor
from webui.accounts import Accounts, NewAccount, Right, Role
from webui.factors.tables import TotpRow
from webui.passwords import Passwords

ATTACKED = 20
ELSEWHERE = "2001:db8:ffff::1"
OPERATOR = audit.operator("test")


class CountingHasher(CodeHasher):
    """Counts by access key how many guesses at somebody's codes were looked at: a second look at one tells nothing more."""

    looked: Counter[str]
    seen: set[tuple[str, ...]]

    def __init__(self, secret: bytes) -> None:
        super().__init__(secret)
        object.__setattr__(self, "looked", Counter[str]())
        object.__setattr__(self, "seen", set[tuple[str, ...]]())

    def digest(self, purpose: str, *parts: str) -> bytes:
        """Digest as ever."""
        if purpose == "auth-codes" and parts not in self.seen:
            self.seen.add(parts)
            self.looked[parts[0]] += 1
        return super().digest(purpose, *parts)


class CountingOpener(Opener):
    """Counts by row how often a sealed copy was opened: CMP's way to look at codes."""

    opened: Counter[bytes]

    def __init__(self, opener: Opener) -> None:
        super().__init__(opener.private_key)
        object.__setattr__(self, "opened", Counter[bytes]())

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Open as ever."""
        self.opened[binding] += 1
        return super().open(sealed, binding)


class CountingPasswords(Passwords):
    """Cheap hashes; counts by hash how often a password was compared."""

    looked: Counter[str]

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        object.__setattr__(self, "looked", Counter[str]())

    def matches(self, stored: str | None, password: str) -> bool:
        """Compare as ever."""
        self.looked[stored or ""] += 1
        return super().matches(stored, password)


@dataclass(frozen=True)
class Siege:
    """The doors by name, who is attacked and who is spared."""

    house: House
    clock: SettableClock
    hasher: CountingHasher
    opener: CountingOpener
    passwords: CountingPasswords
    pages: Doors
    attacked: list[Codes]
    spared: list[Codes]
    # Terminals in service; the first is attacked by who stole its PC, the second by who makes certificates of its name.
    holders: tuple[Holder, Holder, Holder]
    moods: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 (moods are no secrets)

    @cached_property
    def apps(self) -> Mapping[str, Flask]:
        """The doors."""
        return _apps(self.house) | {"portal": self.pages.portal, "center": self.pages.center}

    @cached_property
    def worlds(self) -> Mapping[str, World]:
        """The doors of the protocols, as their clients see them."""
        before = lane.lane_of(self.house.redemption)
        return {name: self.world(name, before) for name in ("retrieval", "terminals", "plain")}

    def world(self, name: str, before: RetrievalLane) -> World:
        """Return a door with a lane, for those who come by it."""
        signer = x509.load_der_x509_certificate(cmp_signer_of(self.house).certificate)
        authority = operations_of(self.house).registration().certificate
        return World(_Door(self.apps[name], before).send, authority, signer)

    @cached_property
    def request(self) -> Request:
        """One key for all who guess."""
        return new_request()

    def guess(self) -> Codes:
        """Return wrong codes for a key that is known to exist."""
        return replace(self.moods.choice(self.attacked), auth_code_2="".join(self.moods.choices(ALPHABET, k=6)))

    def another(self, login: str, office_code: str = "") -> None:
        """Let somebody's app show a code that was not used yet, though this clock may stand still."""
        person = self.pages.person(login, office_code)
        with self.house.database.transaction() as session:
            session.execute(update(TotpRow).where(TotpRow.account_id == person.account_id).values(last_step=-1))

    def forged(self, holder: Holder) -> bytes:
        """Return a certificate with the names and the number of a terminal's own, that somebody else made."""
        true, key = holder.certificate, ec.generate_private_key(ec.SECP256R1())
        begin, end = true.not_valid_before_utc, true.not_valid_after_utc
        builder = x509.CertificateBuilder(true.issuer, true.subject, key.public_key(), true.serial_number, begin, end)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def foreign(self, holder: Holder) -> bytes:
        """Return a certificate with a terminal's name, of another authority, with any number."""
        key, begin = ec.generate_private_key(ec.SECP256R1()), holder.certificate.not_valid_before_utc
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")])
        number, end = self.moods.randrange(1, 1 << 120), holder.certificate.not_valid_after_utc
        builder = x509.CertificateBuilder(issuer, holder.certificate.subject, key.public_key(), number, begin, end)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class _Door:
    """An app, and a lane before it for the requests that say so."""

    app: Flask
    before: RetrievalLane

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, source: str) -> Reply:
        shown = {name: value for name, value in headers.items() if name not in (PEER, IN_LANE)}
        if IN_LANE in headers and (told := lane.ask(self.before, method, path, shown, body, source)):
            return Reply(*told)
        environment: dict[str, Any] = {"REMOTE_ADDR": source}
        if peer := headers.get(PEER):
            environment[PEER] = bytes.fromhex(peer)
        answer = self.app.test_client().open(path, method=method, headers=shown, data=body, environ_base=environment)
        return Reply(answer.status_code, dict(answer.headers), answer.get_data())


def _peer(environ: Mapping[str, Any]) -> bytes | None:
    certificate: bytes | None = environ.get(PEER)
    return certificate


def _apps(house: House) -> dict[str, Flask]:
    """Open the doors of the protocols, with everything that policy may allow."""
    keys = ServerKeys(house.hasher)
    retrieving = retrieval.create_app(RetrievalDoor(house.redemption))
    est.mount(retrieving, est.EstDoor(house.redemption, server_keys=keys))
    page.mount(retrieving, page_of(house, "https://localhost:8444"))
    asking = terminals.create_app(TerminalsDoor(house.logon, _peer, house.renewal, house.reissues, house.own_states))
    est.mount(asking, est.EstDoor(house.redemption, est.Renewing(house.renewal, _peer), keys))
    plain = Flask("plain", static_folder=None)
    problems.register(plain)
    for app in (retrieving, plain):
        scep.mount(app, scep.ScepDoor(operations_of(house)))
        cmp.mount(app, cmp_door_of(house))
    return {"retrieval": retrieving, "terminals": asking, "plain": plain}


@contextmanager
def besieged(database: Database, folder: Path, clock: SettableClock, *, attacked: int = ATTACKED) -> Iterator[Siege]:
    """Build a house and let everybody in it do what they did before the attack began."""
    built = build_house(database, folder, clock)
    hasher = CountingHasher(b"a secret of thirty-two octets ...")
    opener, passwords = CountingOpener(built.opener), CountingPasswords()
    # The pages' house has a terminal of its own, the first.
    house = replace(built, hasher=hasher, opener=opener, _numbers=itertools.count(99000, -1))
    pages = open_doors(Accounts(database, clock, passwords), house.preparation, house.notices, folder)
    for login, grants in (("shiro", frozenset[Right]()), ("goro", frozenset[Right]())):
        pages.accounts.add(NewAccount(login, "通関 四郎", f"{login}@example.jp", PASSWORD, grants, "NAC001"), OPERATOR)
    pages.accounts.add(NewAccount("mori", "森", "mori@example.jp", PASSWORD, frozenset({Role.REVIEW})), OPERATOR)
    pages.factors.provide_totp(pages.person("goro", "NAC001"), TOTP_SECRET, OPERATOR)
    codes = [one for _, one in prepare_many(house, attacked + 70)]
    holders = tuple(_holder(house) for _ in range(3))
    assert len(holders) == 3
    siege = Siege(house, clock, hasher, opener, passwords, pages, codes[:attacked], codes[attacked:], holders)
    clock.advance(timedelta(minutes=1))
    hasher.looked.clear()
    opener.opened.clear()
    yield siege


def _holder(house: House) -> Holder:
    [(terminal, codes)] = house.new_codes()
    request = new_request()
    return Holder(terminal, codes, request, house.redemption.redeem(codes, request.pem, SOURCE).certificate.der or b"")


def visitor(siege: Siege, door: str, address: str) -> Visitor:
    """Return a browser of its own at one of the doors with pages."""
    return Visitor(siege.apps[door], address)
