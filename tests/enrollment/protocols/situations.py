"""States that a terminal can be in, and what it may send and present in them: each is a function that takes a scene there."""

import json
from base64 import b64encode
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ca.authority import Authority
from ca.issuers import SigningIssuer
from ca.requests import spki_digest
from ca.revocation import Reason
from enrollment.blocking import KeyBlocking
from enrollment.codes import Codes
from enrollment.deeds import Deed
from enrollment.reissue_records import ReissueReason
from kernel.clock import tokyo_date
from kernel.database import connect
from keys.trouble import CustodyAwayError
from registry import terminals as registered
from registry.states import TerminalEvent
from tests.crash.faults import BrokenKey
from tests.enrollment.test_redemption import claimed
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, Request, new_request
from tests.support.interfaces import AGE, PEER, Doors, Reply, doors_of

Body = dict[str, Any]
POSTED = {
    "retrieval": "/api/v1/retrievals",
    "renewal": "/api/v1/renewals",
    "logon": "/api/v1/logons",
    "reissue": "/api/v1/reissues",
}
SELF = "/api/v1/terminals/self"
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
