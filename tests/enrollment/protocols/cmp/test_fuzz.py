"""Twenty thousand spoilt messages: each gets a clean answer, or is told to be none."""

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import pytest

from enrollment import codes as code_rules
from enrollment import guessing
from enrollment.protocols.cmp import messages
from enrollment.protocols.cmp.failures import NotCmp
from enrollment.protocols.cmp.messages import Information, Kind
from enrollment.protocols.cmp.operations import Operations
from enrollment.protocols.cmp.support import Support
from kernel import throttle
from tests.enrollment.protocols.cmp.conftest import World
from tests.enrollment.protocols.cmp.test_later_refusals import details, given
from tests.enrollment.protocols.cmp.writing import (
    CERT_CONF,
    ERROR,
    GENM,
    P10CR,
    POLL_REQ,
    RR,
    Draft,
    bits,
    by_pbm,
    info,
    number,
    pbm,
    seq,
    tagged,
    value,
)
from tests.support.cmp import cmp_door_of
from tests.support.house import new_request

# What pyca says of serial numbers that are not positive.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Parsed a serial number")]
IT = "1.3.6.1.5.5.7.4"
ANSWERS = {Kind.IP, Kind.CP, Kind.KUP, Kind.RP, Kind.PKICONF, Kind.GENP, Kind.ERROR, Kind.POLL_REP}
RAW, BODIES, HEADERS, PLANTED = 18_500, 1_100, 400, 1_000


def spoil(octets: bytes, dice: random.Random) -> bytes:
    """Return octets that differ: flipped, cut, doubled, moved, or with lengths and tags that lie."""
    made = bytearray(octets)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(made) or 1)
        match dice.randrange(6):
            case 0 if made:
                made[at] ^= 1 << dice.randrange(8)
            case 1 if made:
                made[at] = dice.choice((0x00, 0x01, 0x05, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xFF))
            case 2:
                del made[at : at + dice.randrange(1, 9)]
            case 3:
                made[at:at] = dice.randbytes(dice.randrange(1, 5))
            case 4:
                made[at:at] = made[at : at + dice.randrange(1, 40)]
            case 5:
                del made[at:]
    return bytes(made)


@dataclass(frozen=True)
class Spoiler:
    """Makes spoilt messages of honest ones; the same dice make the same."""

    seeds: tuple[Draft, ...]
    secret: bytes
    dice: random.Random

    def raw(self) -> bytes:
        """Return a message that was changed on its way."""
        return spoil(self.dice.choice(self._written), self.dice)

    @cached_property
    def _written(self) -> tuple[bytes, ...]:
        return tuple(seed.written() for seed in self.seeds)

    def of_nonsense(self) -> bytes:
        """Return a message whose sender meant the nonsense in its body."""
        seed = replace(self.dice.choice(self.seeds), transaction=secrets.token_bytes(16))
        return self._protected(seed.header + tagged(seed.kind, spoil(seed.body, self.dice)))

    def with_header_of_nonsense(self) -> bytes:
        """Return a message whose sender meant the nonsense in its header."""
        seed = self.dice.choice(self.seeds)
        return self._protected(spoil(seed.header, self.dice) + tagged(seed.kind, seed.body))

    def _protected(self, covered: bytes) -> bytes:
        return seq(covered, tagged(0, bits(by_pbm(self.secret, 100)(seq(covered)))))


def faults(operations: Operations, made: Iterator[bytes]) -> Iterator[str]:
    """Find what broke, each with the octets that broke it."""
    for spoilt in made:
        try:
            answer = messages.read(operations.answer(spoilt, "2001:db8::1"))
        except NotCmp:
            continue
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what we look for)
            yield f"{type(error).__name__}: {error}: {spoilt.hex()}"
        else:
            if answer.tag not in ANSWERS:
                yield f"{answer.tag} answers {spoilt.hex()}"


@pytest.fixture
def spoiler(world: World) -> Spoiler:
    """Return honest messages of every kind by one terminal's codes, and what spoils them."""
    one = given(world)
    terminal, own = one.terminal, world.certified()
    source = tagged(1, seq(tagged(4, world.house.issuing.issuer.subject_der)))
    address = tagged(0, tagged(0, value(0x86, world.house.profile.addresses.crl("issuing-1").encode())))
    lists = seq(seq(source), seq(address, value(0x18, b"20261124010000Z")))
    bodies = {
        GENM: (seq(info(f"{IT}.17"), info(f"{IT}.22", lists)), seq(info(f"{IT}.20", world.house.root.der))),
        CERT_CONF: (one.word(),),
        POLL_REQ: (seq(seq(number(0))),),
        ERROR: (seq(seq(number(2))),),
        P10CR: (new_request(terminal.key).pem,),
        RR: (seq(details(own)),),
    }
    drafts = [terminal.draft(body, kind) for kind, some in bodies.items() for body in some]
    cheap = [replace(draft, algorithm=pbm(100), protect=by_pbm(terminal.secret, 100)) for draft in (terminal.draft(), *drafts)]
    return Spoiler((*cheap, own.draft(), own.draft(seq(details(own)), RR)), terminal.secret, random.Random(9810))  # noqa: S311 (the same each time)


def times(count: int, make: Callable[[], bytes]) -> Iterator[bytes]:
    return (make() for _ in range(count))


def test_a_message_changed_on_its_way_is_answered_cleanly(world: World, spoiler: Spoiler) -> None:
    assert list(faults(cmp_door_of(world.house).operations, times(RAW, spoiler.raw))) == []


def test_a_body_of_nonsense_is_answered_cleanly(world: World, spoiler: Spoiler) -> None:
    by_codes = replace(spoiler, seeds=spoiler.seeds[:-2])
    assert list(faults(cmp_door_of(world.house).operations, times(BODIES, by_codes.of_nonsense))) == []


def test_a_header_of_nonsense_is_answered_cleanly(world: World, spoiler: Spoiler) -> None:
    by_codes = replace(spoiler, seeds=spoiler.seeds[:-2])
    digest = code_rules.access_key_digest(world.house.hasher, (by_codes.seeds[0].sender_key or b"").decode())

    def unlocked() -> bytes:
        # Some are protected wrongly by it, and the codes would be locked for all that follow.
        with world.house.database.transaction() as session:
            throttle.forgive(session, guessing.access_key_throttle(digest))
        return by_codes.with_header_of_nonsense()

    assert list(faults(cmp_door_of(world.house).operations, times(HEADERS, unlocked))) == []


@dataclass(frozen=True)
class Careless(Support):
    """A planted fault: it knows no question but those that honest senders ask."""

    def answer(self, asked: tuple[Information, ...], now: datetime) -> list[Information]:
        del now
        known = {f"{IT}.17": None, f"{IT}.20": None, f"{IT}.22": None}
        return [Information(one.oid, known[one.oid]) for one in asked]


def test_a_planted_fault_is_found(world: World, spoiler: Spoiler) -> None:
    operations = cmp_door_of(world.house).operations
    support = operations.support
    careless = Careless(support.database, support.addresses, support.crl_folder, support.key_kinds, support.rsa_bits)
    by_codes = replace(spoiler, seeds=spoiler.seeds[:-2])
    assert any(faults(replace(operations, support=careless), times(PLANTED, by_codes.of_nonsense)))
