"""What a terminal is told in each state that it can be in: retrieval, renewal, itself, logon, reissue.

Every answer is held against the OpenAPI document, and every code of the document is shown here.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.requests import spki_digest
from ca.revocation import Reason
from enrollment.blocking import KeyBlocking
from enrollment.codes import Codes
from enrollment.deeds import Deed
from enrollment.protocols import openapi, retrieval, terminals
from enrollment.protocols.problems import PROBLEMS
from enrollment.reissue_records import ReissueReason
from kernel.clock import tokyo_date
from kernel.database import connect
from keys.trouble import CustodyAwayError
from registry import terminals as registered
from registry.states import TerminalEvent
from tests.conftest import FreshDatabase
from tests.crash.faults import BrokenKey
from tests.enrollment.test_redemption import claimed
from tests.support.clock import MORNING, SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, Request, build_house, new_request
from tests.support.interfaces import AGE, PEER, RETRIEVALS, Doors, Outcome, Reply, doors_of

Body = dict[str, Any]
POSTED = {
    "retrieval": "/api/v1/retrievals",
    "renewal": "/api/v1/renewals",
    "logon": "/api/v1/logons",
    "reissue": "/api/v1/reissues",
}
SELF = "/api/v1/terminals/self"
OPERATIONS = {
    "retrieval": retrieval.OPERATIONS["retrieval.retrieve"],
    "renewal": terminals.OPERATIONS["terminals.renew"],
    "self": terminals.OPERATIONS["terminals.own_state"],
    "logon": terminals.OPERATIONS["terminals.log_on"],
    "reissue": terminals.OPERATIONS["terminals.ask_for_reissue"],
}
BEFORE_THE_END = timedelta(days=364)
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 (it is to be refused)


@dataclass
class Scene:
    """A terminal, what it sends, and what it presents."""

    house: House
    clock: SettableClock
    doors: Doors
    terminal: str
    codes: Codes
    request: Request = field(default_factory=new_request)
    again: Request | None = None
    renewal: Request = field(default_factory=new_request)
    presented: bytes | None = None
    access_key: str = ""
    named: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    content: bytes | None = None

    def retrieve(self) -> None:
        """Fetch the certificate and present it from now on."""
        self.presented = self.house.redemption.redeem(self.codes, self.request.pem, SOURCE).certificate.der

    def renew(self) -> bytes:
        """Renew by another key than the one that the table's renewal has; return the certificate."""
        assert self.presented
        return self.house.renewal.renew(self.presented, new_request().pem).certificate.der or b""

    def accept(self, reason: ReissueReason) -> None:
        """Let staff ask for a reissue, which is accepted by that."""
        self.house.reissues.request(self.terminal, reason, APPROVER)

    def reopen(self, authority: Authority) -> None:
        """Open the doors again, for another authority."""
        house = replace(self.house)
        vars(house)["authority"] = authority
        self.doors = doors_of(house)


def unretrieved(_scene: Scene) -> None:
    """Leave the codes as they are."""


def in_service(scene: Scene) -> None:
    scene.retrieve()


def with_another_key(scene: Scene) -> None:
    scene.retrieve()
    scene.again = new_request()


def claimed_by_this_key(scene: Scene) -> None:
    claimed(scene.house, scene.codes, scene.request.pem)


def claimed_by_another_key(scene: Scene) -> None:
    claimed(scene.house, scene.codes, new_request().pem)


def before_the_start(scene: Scene) -> None:
    [(scene.terminal, scene.codes)] = scene.house.new_codes(start_date=tokyo_date(scene.clock.now()) + timedelta(days=10))
    scene.retrieve()


def start_in_two_years(scene: Scene) -> None:
    [(scene.terminal, scene.codes)] = scene.house.new_codes(start_date=tokyo_date(scene.clock.now()) + timedelta(days=800))


def in_the_window(scene: Scene) -> None:
    scene.retrieve()
    scene.clock.advance(AGE)


def generation_ends(scene: Scene) -> None:
    in_the_window(scene)
    last = x509.load_der_x509_certificate(scene.presented or b"").not_valid_after_utc
    scene.reopen(Authority(scene.house.issuing, replace(scene.house.profile, fixed_end=tokyo_date(last))))


def start_moved_far_away(scene: Scene) -> None:
    in_the_window(scene)
    with scene.house.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE registry_terminal SET start_date = '2031-01-01' WHERE name = ?", (scene.terminal,)
        )


def renewed(scene: Scene) -> None:
    in_the_window(scene)
    scene.renew()


def not_confirmed(scene: Scene) -> None:
    """Present what CMP's kur gave before it is confirmed."""
    in_the_window(scene)
    renewal = scene.house.renewal.renew(scene.presented or b"", new_request().pem, awaits_confirmation=True)
    scene.presented = renewal.certificate.der


def renewed_and_in_use(scene: Scene) -> None:
    in_the_window(scene)
    scene.house.logon.check(scene.renew(), scene.terminal, scene.codes.access_key)


def expired(scene: Scene) -> None:
    scene.retrieve()
    scene.clock.advance(timedelta(days=366))


def suspended(scene: Scene) -> None:
    scene.retrieve()
    scene.house.endings.suspend(scene.terminal, SECURITY)


def suspended_before_retrieval(scene: Scene) -> None:
    scene.house.endings.suspend(scene.terminal, SECURITY)


def held(scene: Scene) -> None:
    in_the_window(scene)
    with scene.house.database.transaction() as session:
        certificate = x509.load_der_x509_certificate(scene.presented or b"")
        deed = Deed(session, SECURITY, scene.clock.now(), scene.terminal, OFFICE)
        deed.hold(scene.house.issuing.issuer.name, f"{certificate.serial_number:x}")


def frozen(scene: Scene) -> None:
    scene.house.notices.freeze(None, OFFICE, scene.terminal, SECURITY)


def codes_over(scene: Scene) -> None:
    scene.clock.advance(timedelta(days=70))


def codes_replaced(scene: Scene) -> None:
    scene.house.preparation.replace(scene.terminal, PREPARER)


def abolished(scene: Scene) -> None:
    scene.retrieve()
    with scene.house.database.transaction() as session:
        registered.step(session, scene.terminal, TerminalEvent.ABOLISH, scene.clock.now())


def revoked(scene: Scene) -> None:
    scene.retrieve()
    scene.house.endings.revoke(scene.terminal, Reason.KEY_COMPROMISE, SECURITY)


def reissue_asked_for(scene: Scene) -> None:
    in_the_window(scene)
    scene.house.reissues.request_from_terminal(scene.presented or b"", ReissueReason.PC_REPLACED)


def reissue_accepted(scene: Scene) -> None:
    in_the_window(scene)
    scene.accept(ReissueReason.PC_REPLACED)


def stolen(scene: Scene) -> None:
    in_the_window(scene)
    scene.accept(ReissueReason.STOLEN)


def old_computer(scene: Scene) -> None:
    in_the_window(scene)
    scene.house.preparation.prepare_existing(scene.terminal, APPROVER, PREPARER)
    codes = scene.house.codes_of(scene.terminal)
    scene.house.redemption.redeem(codes, new_request().pem, SOURCE)
    scene.access_key = codes.access_key


def foreign(scene: Scene) -> None:
    scene.presented = scene.house.issuing.issuer.der


def another_authority(scene: Scene) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    scene.retrieve()
    subject = x509.load_der_x509_certificate(scene.presented or b"").subject
    now = scene.clock.now()
    root = scene.house.root.certificate.subject
    builder = x509.CertificateBuilder(root, subject, key.public_key(), 1, now, now + timedelta(days=1))
    scene.presented = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def unreadable(scene: Scene) -> None:
    scene.presented = b"0\x03\x02\x01\x05"


def wrong_access_key(scene: Scene) -> None:
    scene.retrieve()
    scene.access_key = "0000000000000"


def wrong_access_key_too_often(scene: Scene) -> None:
    scene.retrieve()
    scene.access_key = "0000000000000"
    scene.again = scene.request
    for _ in range(5):
        asked(scene, "logon")


def wrong_name(scene: Scene) -> None:
    scene.retrieve()
    scene.named = "00000A"


def wrong_codes(scene: Scene) -> None:
    scene.codes = replace(scene.codes, auth_code_2="AAAAAA")


def wrong_codes_too_often(scene: Scene) -> None:
    wrong_codes(scene)
    for _ in range(5):
        asked(scene, "retrieval")


def malformed_request(scene: Scene) -> None:
    in_the_window_for(scene, Request(scene.request.key, b"no request"))


def spoilt_request(scene: Scene) -> None:
    der = bytearray(x509.load_pem_x509_csr(scene.renewal.pem).public_bytes(Encoding.DER))
    der[-1] ^= 1
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{b64encode(der).decode()}\n-----END CERTIFICATE REQUEST-----\n"
    in_the_window_for(scene, Request(scene.renewal.key, pem.encode()))


def unsupported_key(scene: Scene) -> None:
    in_the_window_for(scene, new_request(ec.generate_private_key(ec.SECP521R1())))


def weak_key(scene: Scene) -> None:
    in_the_window_for(scene, new_request(WEAK))


def short_key(scene: Scene) -> None:
    in_the_window_for(scene, new_request(rsa.generate_private_key(65537, 2048)))
    scene.reopen(Authority(scene.house.issuing, replace(scene.house.profile, fixed_end=date(2031, 3, 31))))


def used_key(scene: Scene) -> None:
    request = new_request()
    scene.house.issue(request=request)
    in_the_window_for(scene, request)


def blocked_key(scene: Scene) -> None:
    request = new_request()
    KeyBlocking(scene.house.database, scene.clock).block([spki_digest(request.key.public_key())], SECURITY)
    in_the_window_for(scene, request)


def in_the_window_for(scene: Scene, request: Request) -> None:
    """Let the terminal send a request, for its codes and for its renewal."""
    in_the_window(scene)
    [(_, scene.codes)] = scene.house.new_codes()
    scene.again = scene.renewal = request


def key_away(scene: Scene) -> None:
    def away() -> None:
        raise CustodyAwayError

    in_the_window_for(scene, new_request())
    key = BrokenKey(scene.house.issuing.key)
    key.before = away
    scene.reopen(Authority(SigningIssuer(scene.house.issuing.issuer, key), scene.house.profile))


def no_such_form(scene: Scene) -> None:
    scene.retrieve()
    scene.headers = {"Accept": "text/html"}


def no_json(scene: Scene) -> None:
    scene.retrieve()
    scene.headers = {"Content-Type": "text/plain"}


def a_field_too_many(scene: Scene) -> None:
    scene.retrieve()
    scene.wrong = {"": {"is_admin": True}}


def unprintable_remark(scene: Scene) -> None:
    in_the_window(scene)
    scene.wrong = {"reissue": {"remark": "\x1b[2J"}}


def the_database_away(scene: Scene) -> None:
    _with_database(scene, OperationalError("SELECT", None, Exception("connection refused")))


def a_fault_of_ours(scene: Scene) -> None:
    _with_database(scene, ZeroDivisionError("a division"))


def _with_database(scene: Scene, trouble: Exception) -> None:
    """Let the doors' database raise whenever a snapshot begins."""
    in_the_window(scene)
    database = connect(scene.house.database.engine.url.render_as_string(hide_password=False))
    scene.doors = doors_of(replace(scene.house, database=database))

    def fail(_connection: object) -> None:
        raise trouble

    event.listen(database.engine, "begin", fail)


def much_too_large(scene: Scene) -> None:
    scene.retrieve()
    scene.content = b" " * 40_000


# What the certificate's holder is told in each state.
HOLDERS = """
                            renewal                  self                    logon                   reissue
unretrieved                 E103                     E103                    E103                    E103
in_service                  renewal-too-early        200                     200                     202
before_the_start            renewal-too-early        200                     A0006                   202
start_moved_far_away        start-date-too-far       200                     A0006                   202
in_the_window               201                      200                     200                     202
generation_ends             renewal-pointless        200                     200                     202
renewed                     renewal-spent            A0036                   A0036                   certificate-not-current
renewed_and_in_use          certificate-revoked      A0036                   A0036                   certificate-revoked
not_confirmed               certificate-not-current  A0036                   A0036                   certificate-not-current
expired                     renewal-too-late         E104                    E104                    202
suspended                   terminal-suspended       200                     A0014                   terminal-suspended
held                        certificate-held         200                     A0014                   certificate-held
abolished                   terminal-abolished       terminal-abolished      A0010                   terminal-abolished
revoked                     certificate-revoked      A0036                   A0036                   certificate-revoked
reissue_asked_for           201                      200                     200                     reissue-open
reissue_accepted            reissue-pending          200                     200                     reissue-open
stolen                      certificate-revoked      A0036                   A0036                   certificate-revoked
old_computer                certificate-revoked      A0036                   A0036                   certificate-revoked
foreign                     certificate-foreign      certificate-foreign     A0019                   certificate-foreign
another_authority           certificate-foreign      certificate-foreign     A0035                   certificate-foreign
unreadable                  certificate-unreadable   certificate-unreadable  certificate-unreadable  certificate-unreadable
no_such_form                not-acceptable           not-acceptable          not-acceptable          not-acceptable
no_json                     media-type               200                     media-type              media-type
a_field_too_many            request-malformed        200                     request-malformed       request-malformed
much_too_large              too-large                200                     too-large               too-large
the_database_away           unavailable              unavailable             unavailable             unavailable
a_fault_of_ours             internal                 internal                internal                internal
"""
# Only one of them is concerned.
ONE = {
    ("renewal", "malformed_request"): "csr-malformed",
    ("renewal", "spoilt_request"): "csr-signature",
    ("renewal", "unsupported_key"): "key-unsupported",
    ("renewal", "weak_key"): "key-weak",
    ("renewal", "short_key"): "key-too-short-for-period",
    ("renewal", "used_key"): "key-used",
    ("renewal", "blocked_key"): "key-blocked",
    ("renewal", "key_away"): "unavailable",
    ("logon", "wrong_access_key"): "A0018",
    ("logon", "wrong_access_key_too_often"): "throttled",
    ("logon", "wrong_name"): "A0019",
    ("reissue", "unprintable_remark"): "input-invalid",
}
# What is told to whoever knows the codes; and to whoever does not.
RETRIEVALS_TOLD = {
    "unretrieved": "201",
    "claimed_by_this_key": "201",
    "claimed_by_another_key": "codes-spent",
    "in_service": "200",
    "with_another_key": "codes-spent",
    "before_the_start": "200",
    "start_in_two_years": "start-date-too-far",
    "renewed": "200",
    "renewed_and_in_use": "certificate-revoked",
    "expired": "200",
    "suspended": "terminal-suspended",
    "suspended_before_retrieval": "terminal-suspended",
    "held": "certificate-held",
    "frozen": "codes-frozen",
    "codes_over": "codes-expired",
    "codes_replaced": "codes-replaced",
    "abolished": "terminal-abolished",
    "revoked": "certificate-revoked",
    "reissue_asked_for": "200",
    "reissue_accepted": "200",
    "stolen": "certificate-revoked",
    "old_computer": "certificate-revoked",
    "wrong_codes": "codes-wrong",
    "wrong_codes_too_often": "throttled",
    "spoilt_request": "csr-signature",
    "unsupported_key": "key-unsupported",
    "weak_key": "key-weak",
    "short_key": "key-too-short-for-period",
    "used_key": "key-used",
    "blocked_key": "key-blocked",
    "key_away": "unavailable",
}
# What only JSON can be.
RETRIEVALS_OF_JSON = {
    "malformed_request": "csr-malformed",
    "no_such_form": "not-acceptable",
    "no_json": "media-type",
    "a_field_too_many": "request-malformed",
    "much_too_large": "too-large",
    "the_database_away": "unavailable",
    "a_fault_of_ours": "internal",
}

# CMP asks the sealed copy of the codes, which is gone when others replace them (ADR 23).
OTHERWISE = {("CMP", "codes_replaced"): "codes-wrong"}
# What sounds like "come again" by each way.
AWAY = {way: {"unavailable"} for way in RETRIEVALS} | {"CMP": {"unavailable", "throttled"}}


def _rows() -> Iterator[tuple[str, str, str]]:
    """Yield column, state, what is told."""
    head, *rows = HOLDERS.strip().splitlines()
    for row in rows:
        state, *told = row.split()
        yield from ((column, state, expected) for column, expected in zip(head.split(), told, strict=True))
    yield from ((column, state, expected) for (column, state), expected in ONE.items())
    yield from (("retrieval", state, expected) for state, expected in (RETRIEVALS_TOLD | RETRIEVALS_OF_JSON).items())


ROWS = list(_rows())


@pytest.fixture(scope="module")
def clock_of_all() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="module")
def doors(
    sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory, clock_of_all: SettableClock
) -> Iterator[tuple[House, Doors]]:
    """Return one house for all states, each of which has a terminal of its own."""
    with sqlite_databases() as url:
        database = connect(url)
        house = build_house(database, tmp_path_factory.mktemp("house"), clock_of_all)
        yield house, doors_of(house)
        database.dispose()


@pytest.fixture
def scene(doors: tuple[House, Doors], clock_of_all: SettableClock) -> Scene:
    clock_of_all.instant = MORNING
    [(terminal, codes)] = doors[0].new_codes()
    return Scene(doors[0], clock_of_all, doors[1], terminal, codes)


def asked(scene: Scene, column: str) -> Reply:
    """Ask as a terminal does, in the state that the scene is in."""
    bodies: dict[str, dict[str, Any]] = {
        "retrieval": {**asdict(scene.codes), "csr": (scene.again or scene.request).pem.decode()},
        "renewal": {"csr": scene.renewal.pem.decode()},
        "logon": {"terminal": scene.named or scene.terminal, "access_key": scene.access_key or scene.codes.access_key},
        "reissue": {"reason": "pc-replaced"},
    }
    headers = {"Content-Type": "application/json"} | scene.headers
    if column != "retrieval":
        headers[PEER] = (scene.presented or b"").hex()
    if column == "self":
        return scene.doors.send("GET", SELF, headers, b"", SOURCE)
    content = json.dumps(bodies[column] | scene.wrong.get(column, scene.wrong.get("", {}))).encode()
    return scene.doors.send("POST", POSTED[column], headers, scene.content or content, SOURCE)


@pytest.mark.parametrize(("column", "state", "expected"), ROWS)
def test_each_state_has_its_answer(scene: Scene, column: str, state: str, expected: str) -> None:
    STATES[state](scene)
    reply = asked(scene, column)
    answer = json.loads(reply.body) if reply.headers["Content-Type"].endswith("json") else {}
    if expected.isdigit():
        assert reply.status == int(expected), reply.body
    else:
        assert (answer["code"], reply.status) == (expected, PROBLEMS[expected].status)
    assert ("Retry-After" in reply.headers) == (reply.status in (429, 503) or (column == "self" and reply.status == 200))
    _require_described(scene, column, reply, answer)


@cache
def _document(door: str) -> dict[str, Any]:
    app, title = Flask(door), {"title": door}
    modules = {"retrieval": retrieval, "terminals": terminals}
    app.register_blueprint(modules[door].blueprint)
    return openapi.document(app, title, modules[door].OPERATIONS)


def _require_described(scene: Scene, column: str, reply: Reply, answer: object) -> None:
    """See that the door's document says so."""
    app = scene.doors.retrieving if column == "retrieval" else scene.doors.asking
    document = _document(app.name)
    path = SELF if column == "self" else POSTED[column]
    described = document["paths"][path]["get" if column == "self" else "post"]["responses"][str(reply.status)]
    schema = described["content"][reply.headers["Content-Type"]]["schema"]
    jsonschema_rs.validate({**schema, "components": document["components"]}, answer)
    assert {name for name, header in described["headers"].items() if header["required"]} <= reply.headers.keys()


@pytest.mark.parametrize("column", OPERATIONS)
def test_every_code_of_the_document_is_in_the_tables_and_no_other(column: str) -> None:
    shown = {expected for name, _, expected in ROWS if name == column}
    assert {code for code in shown if not code.isdigit()} == OPERATIONS[column].codes
    assert {int(code) for code in shown if code.isdigit()} == OPERATIONS[column].answers.keys() - _repeated(column)


def _repeated(column: str) -> set[int]:
    """Return what is answered to the second of two: a state is asked once here."""
    return {200} if column == "renewal" else set()


@pytest.mark.parametrize("state", [state for state in RETRIEVALS_TOLD if state != "spoilt_request"])
@pytest.mark.parametrize("way", [name for name in RETRIEVALS if name != "REST"])
def test_every_way_to_redeem_codes_tells_the_same(scene: Scene, state: str, way: str) -> None:
    STATES[state](scene)
    expected = OTHERWISE.get((way, state), RETRIEVALS_TOLD[state])
    told = RETRIEVALS[way](scene.doors.world, scene.codes, scene.again or scene.request, SOURCE)
    if expected.isdigit():
        assert told.outcome is Outcome.GIVEN
        return
    assert told.outcome is (Outcome.AWAY if expected in AWAY[way] else Outcome.REFUSED)
    if told.outcome is Outcome.REFUSED:
        assert PROBLEMS[expected].english.partition("{")[0].partition("(")[0] in told.words.replace("&#39;", "'")


STATES: dict[str, Callable[[Scene], None]] = {
    name: value for name, value in list(globals().items()) if name in {state for _, state, _ in ROWS} and callable(value)
}
