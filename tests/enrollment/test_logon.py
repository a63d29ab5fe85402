"""The logon codes in the contract's order: the first that applies is told, whatever else is wrong, too."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, event, select

from ca import certificates
from ca.revocation import Reason
from enrollment.redemption import Retrieved
from enrollment.tables import CredentialRow
from kernel.audit import AuditEntry
from kernel.clock import day_start, tokyo_date
from kernel.database import connect
from kernel.errors import Refused
from registry import terminals
from registry.states import TerminalEvent
from tests.conftest import FreshDatabase
from tests.crash.ledger import faults
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SECURITY, SOURCE, House, build_house, new_request


@dataclass(frozen=True)
class Attempt:
    """What is presented at the door."""

    certificate: bytes | None
    terminal: str
    access_key: str


@dataclass
class Scene:
    """A terminal in service, and what it presents; each mishap changes one thing."""

    house: House
    retrieved: Retrieved
    attempt: Attempt

    def told(self) -> tuple[str, object]:
        """Try to log on and return the code and its detail."""
        try:
            self.house.logon.check(self.attempt.certificate, self.attempt.terminal, self.attempt.access_key)
        except Refused as refusal:
            return refusal.code, refusal.facts.get("detail")
        return "permitted", None


@pytest.fixture
def scene(house: House) -> Scene:
    return _scene(house)


@pytest.fixture
def sqlite_scene(sqlite_databases: FreshDatabase, tmp_path: Path, clock: SettableClock) -> Iterator[Scene]:
    """Return a scene on one kind of database, for a long table about our own code."""
    with sqlite_databases() as url:
        database = connect(url)
        yield _scene(build_house(database, tmp_path, clock))
        database.dispose()


def _scene(house: House) -> Scene:
    [(terminal, codes)] = house.new_codes()
    retrieved = house.redemption.redeem(codes, new_request().pem, SOURCE)
    return Scene(house, retrieved, Attempt(retrieved.certificate.der, terminal, codes.access_key))


def _clock(scene: Scene) -> SettableClock:
    assert isinstance(scene.house.clock, SettableClock)
    return scene.house.clock


def _stranger(scene: Scene, issuer: x509.Name, serial: int) -> None:
    """Present a certificate for this terminal that somebody else made."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, scene.attempt.terminal)])
    now = scene.house.clock.now()
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), serial, now, now + timedelta(days=1))
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    scene.attempt = replace(scene.attempt, certificate=der)


def _no_certificate(scene: Scene) -> None:
    scene.attempt = replace(scene.attempt, certificate=None)


def _unreadable(scene: Scene) -> None:
    scene.attempt = replace(scene.attempt, certificate=b"0\x03\x02\x01\x05")


def _unknown_terminal(scene: Scene) -> None:
    scene.attempt = replace(scene.attempt, terminal="00000A")


def _other_terminal(scene: Scene) -> None:
    scene.attempt = replace(scene.attempt, terminal=scene.house.new_terminals()[0])


def _wrong_access_key(scene: Scene) -> None:
    scene.attempt = replace(scene.attempt, access_key="0000000000000")


def _foreign_ca(scene: Scene) -> None:
    _stranger(scene, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")]), 1)


def _other_ca_of_ours(scene: Scene) -> None:
    _stranger(scene, scene.house.root.certificate.subject, 1)


def _forged(scene: Scene) -> None:
    _stranger(scene, scene.house.issuing.issuer.certificate.subject, int(scene.retrieved.certificate.serial, 16))


def _superseded(scene: Scene) -> None:
    scene.house.preparation.prepare_existing(scene.attempt.terminal, APPROVER, PREPARER)
    codes = scene.house.codes_of(scene.attempt.terminal)
    scene.house.redemption.redeem(codes, new_request().pem, SOURCE)
    scene.attempt = replace(scene.attempt, access_key=codes.access_key)


def _revoked(scene: Scene) -> None:
    scene.house.endings.revoke(scene.attempt.terminal, Reason.KEY_COMPROMISE, SECURITY)


def _expired(scene: Scene) -> None:
    _clock(scene).instant = scene.retrieved.certificate.not_after + timedelta(seconds=1)


def _suspended(scene: Scene) -> None:
    scene.house.endings.suspend(scene.attempt.terminal, SECURITY)


def _abolished(scene: Scene) -> None:
    with scene.house.database.transaction() as session:
        terminals.step(session, scene.attempt.terminal, TerminalEvent.ABOLISH, scene.house.clock.now())


# In the contract's order.
MISHAPS: list[tuple[Callable[[Scene], None], str, object]] = [
    (_no_certificate, "E103", None),
    (_unreadable, "certificate-unreadable", None),
    (_unknown_terminal, "A0019", None),
    (_other_terminal, "A0019", None),
    (_wrong_access_key, "A0018", None),
    (_foreign_ca, "A0035", None),
    (_other_ca_of_ours, "A0035", None),
    (_forged, "A0036", "unknown"),
    (_superseded, "A0036", "superseded"),
    (_revoked, "A0036", "revoked"),
    (_expired, "E104", None),
    (_suspended, "A0014", None),
    (_abolished, "A0010", None),
]
# What cannot happen to one and the same terminal, or presents a certificate twice.
SAME_THING = {_no_certificate, _unreadable, _foreign_ca, _other_ca_of_ours, _forged}
PAIRS = [
    (first, second)
    for rank, first in enumerate(MISHAPS)
    for second in MISHAPS[rank + 1 :]
    if not {first[0], second[0]} <= SAME_THING
    and not {first[0], second[0]} <= {_unknown_terminal, _other_terminal}
    and {first[0], second[0]} not in ({_superseded, _revoked}, {_suspended, _abolished}, {_wrong_access_key, _superseded})
]


def test_a_terminal_in_service_logs_on(scene: Scene) -> None:
    assert scene.told() == ("permitted", None)


def test_name_and_access_key_may_be_typed_in_any_way(scene: Scene) -> None:
    spelled = " ".join(chr(ord(digit) + 0xFEE0) for digit in scene.attempt.access_key)
    scene.attempt = replace(scene.attempt, terminal=f" {scene.attempt.terminal.lower()} ", access_key=spelled)
    assert scene.told() == ("permitted", None)


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap[0].__name__.strip("_"))
def test_each_mishap_has_its_code(scene: Scene, mishap: tuple[Callable[[Scene], None], str, object]) -> None:
    happen, *told = mishap
    happen(scene)
    assert scene.told() == tuple(told)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda mishap: mishap[0].__name__.strip("_"))
def test_of_two_mishaps_the_first_in_order_is_told(
    sqlite_scene: Scene, first: tuple[Callable[[Scene], None], str, object], second: tuple[Callable[[Scene], None], str, object]
) -> None:
    # What is presented is chosen last; a terminal that was stopped would retrieve no successor.
    for happen, *_ in (first, second) if first[0] is _superseded else (second, first):
        happen(sqlite_scene)
    assert sqlite_scene.told() == (first[1], first[2])


def test_the_day_in_tokyo_decides_about_the_start(house: House, clock: SettableClock) -> None:
    start = tokyo_date(clock.now()) + timedelta(days=3)
    [(terminal, codes)] = house.new_codes(start_date=start)
    retrieved = house.redemption.redeem(codes, new_request().pem, SOURCE)
    scene = Scene(house, retrieved, Attempt(retrieved.certificate.der, terminal, codes.access_key))
    clock.instant = day_start(start) - timedelta(microseconds=1)
    assert scene.told() == ("A0006", None)
    clock.instant = day_start(start)
    assert scene.told() == ("permitted", None)


def test_the_last_second_is_still_good(scene: Scene) -> None:
    _clock(scene).instant = scene.retrieved.certificate.not_after
    assert scene.told() == ("permitted", None)


@pytest.mark.parametrize("name", ["", "\x00", "99999W\x00", "９９９９９Ｗ" * 40, "\ud800", "'; --"])
def test_a_name_that_cannot_be_is_unknown(scene: Scene, name: str) -> None:
    scene.attempt = replace(scene.attempt, terminal=name)
    assert scene.told() == ("A0019", None)


@pytest.mark.parametrize("access_key", ["", "\x00", "\ud800", "1" * 500])
def test_an_access_key_that_cannot_be_is_refused_by_its_field(scene: Scene, access_key: str) -> None:
    scene.attempt = replace(scene.attempt, access_key=access_key)
    assert scene.told() == ("input-invalid", None)


def test_after_five_wrong_access_keys_the_right_one_is_not_looked_at_for_half_an_hour(scene: Scene) -> None:
    right = scene.attempt
    _wrong_access_key(scene)
    assert [scene.told()[0] for _ in range(6)] == ["A0018"] * 5 + ["throttled"]
    scene.attempt = right
    assert scene.told() == ("throttled", None)
    _clock(scene).advance(timedelta(minutes=30))
    assert scene.told() == ("permitted", None)


def test_guesses_at_the_same_time_do_not_outrun_their_counting(scene: Scene) -> None:
    right = scene.attempt
    _wrong_access_key(scene)
    start = threading.Barrier(16)

    def guess(_rank: int) -> str:
        start.wait(60)
        return scene.told()[0]

    with ThreadPoolExecutor(16) as threads:
        assert Counter(threads.map(guess, range(16))) == {"A0018": 5, "throttled": 11}
    scene.attempt = right
    assert scene.told() == ("throttled", None)
    with scene.house.database.snapshot() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "logon.lock"))
    assert entry.subject == f"terminal:{right.terminal}"


@pytest.mark.parametrize("stopped", [False, True], ids=["that would be permitted", "that would be told why not"])
def test_a_right_access_key_that_races_with_the_fifth_wrong_one_is_not_told(scene: Scene, *, stopped: bool) -> None:
    right = scene.attempt
    if stopped:
        _suspended(scene)
        assert scene.told()[0] == "A0014"
    wrong = replace(right, access_key="0000000000000")
    scene.attempt = wrong
    assert scene.told() == ("A0018", None)
    guesser = Scene(scene.house, scene.retrieved, wrong)
    scene.attempt = right
    with _after_the_look(scene.house, lambda: [guesser.told() for _ in range(4)]):
        assert scene.told() == ("throttled", None)


@contextmanager
def _after_the_look(house: House, deed: Callable[[], object]) -> Iterator[None]:
    """Do a deed once, on the first snapshot's end."""
    seen: list[Connection] = []

    def note(connection: Connection) -> None:
        if connection.get_execution_options().get("read_only"):
            seen.append(connection)
            if len(seen) == 1:
                deed()

    event.listen(house.database.engine, "rollback", note)
    yield
    event.remove(house.database.engine, "rollback", note)


def test_the_access_key_is_looked_up_again_only_beside_wrong_ones(scene: Scene) -> None:
    right, sent = scene.attempt, []

    def note(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        sent.append(statement)

    counts = []
    for attempt in (right, replace(right, access_key="0000000000000"), right):
        scene.attempt = attempt
        sent.clear()
        event.listen(scene.house.database.engine, "before_cursor_execute", note)
        scene.told()
        event.remove(scene.house.database.engine, "before_cursor_execute", note)
        counts.append(len([statement for statement in sent if "kernel_throttle" in statement]))
    assert counts[0] == 1
    assert counts[2] == 2


def test_wrong_access_keys_lock_nobody_else_out(scene: Scene) -> None:
    house = scene.house
    [(name, codes)] = house.new_codes()
    neighbour = Attempt(house.redemption.redeem(codes, new_request().pem, SOURCE).certificate.der, name, codes.access_key)
    stolen = replace(scene.attempt, access_key="0000000000000")
    _superseded(scene)  # by the certificate that the true PC now has
    true = replace(scene.attempt, certificate=_current(scene))
    scene.attempt = stolen
    assert {scene.told()[0] for _ in range(9)} == {"A0018", "throttled"}
    for attempt in (neighbour, true):
        scene.attempt = attempt
        assert scene.told() == ("permitted", None)


def _current(scene: Scene) -> bytes | None:
    with scene.house.database.snapshot() as session:
        credential = session.get_one(CredentialRow, scene.attempt.terminal)
        record = certificates.find(session, credential.issuer, credential.serial)
    return record.der if record else None


def test_a_logon_changes_nothing(scene: Scene) -> None:
    before = faults(scene.house, [])
    for _ in range(3):
        scene.told()
    assert faults(scene.house, []) == before == []
