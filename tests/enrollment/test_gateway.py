"""Who passes a gateway by the certificate alone; the order of the codes is the logon check's, and its rule is the same one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca.revocation import Reason
from enrollment.deeds import Deed
from enrollment.gateway import Gateway, Passage
from enrollment.protocols import gateway as door
from enrollment.redemption import Retrieved
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from registry import terminals
from registry.states import TerminalEvent
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House, new_request


@dataclass
class Scene:
    """A terminal in service, and what it presents."""

    house: House
    clock: SettableClock
    retrieved: Retrieved
    presented: bytes | None

    @property
    def gateway(self) -> Gateway:
        """The gateway's question."""
        return Gateway(self.house.database, self.clock)

    def told(self) -> tuple[str, object]:
        """Ask and return the code and its detail."""
        try:
            self.gateway.authorize(self.presented)
        except Refused as refusal:
            return refusal.code, refusal.facts.get("detail")
        return "passes", None

    def present(self, issuer: x509.Name, subject: str, serial: int) -> None:
        """Present a certificate that somebody else made."""
        key, now = ec.generate_private_key(ec.SECP256R1()), self.clock.now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), serial, now, now + timedelta(days=1))
        self.presented = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def scene(house: House, clock: SettableClock) -> Scene:
    retrieved = house.issue()
    return Scene(house, clock, retrieved, retrieved.certificate.der)


@pytest.fixture
def sqlite_scene(sqlite_house: House, clock: SettableClock) -> Scene:
    retrieved = sqlite_house.issue()
    return Scene(sqlite_house, clock, retrieved, retrieved.certificate.der)


def _foreign(scene: Scene) -> None:
    scene.present(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")]), scene.retrieved.terminal, 1)


def _nobodys(scene: Scene) -> None:
    scene.present(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")]), "www.example.jp", 1)


def _forged(scene: Scene) -> None:
    issuer = scene.house.issuing.issuer.certificate.subject
    scene.present(issuer, scene.retrieved.terminal, int(scene.retrieved.certificate.serial, 16))


def _superseded(scene: Scene) -> None:
    scene.house.preparation.prepare_existing(scene.retrieved.terminal, APPROVER, PREPARER)
    scene.house.redemption.redeem(scene.house.codes_of(scene.retrieved.terminal), new_request().pem, SOURCE)


def _revoked(scene: Scene) -> None:
    scene.house.endings.revoke(scene.retrieved.terminal, Reason.KEY_COMPROMISE, SECURITY)


def _expired(scene: Scene) -> None:
    scene.clock.instant = scene.retrieved.certificate.not_after + timedelta(seconds=1)


def _suspended(scene: Scene) -> None:
    scene.house.endings.suspend(scene.retrieved.terminal, SECURITY)


def _held(scene: Scene) -> None:
    record = scene.retrieved.certificate
    with scene.house.database.transaction() as session:
        Deed(session, SECURITY, scene.clock.now(), scene.retrieved.terminal, OFFICE).hold(record.issuer, record.serial)


def _abolished(scene: Scene) -> None:
    with scene.house.database.transaction() as session:
        terminals.step(session, scene.retrieved.terminal, TerminalEvent.ABOLISH, scene.clock.now())


def _nothing(scene: Scene) -> None:
    scene.presented = None


def _garbage(scene: Scene) -> None:
    scene.presented = b"0\x03\x02\x01\x05"


MISHAPS: list[tuple[Callable[[Scene], None], str, object]] = [
    (_nothing, "E103", None),
    (_garbage, "certificate-unreadable", None),
    (_nobodys, "A0019", None),
    (_foreign, "A0035", None),
    (_forged, "A0036", "unknown"),
    (_superseded, "A0036", "superseded"),
    (_revoked, "A0036", "revoked"),
    (_expired, "E104", None),
    (_suspended, "A0014", None),
    (_held, "A0014", None),
    (_abolished, "A0010", None),
]


def test_who_passes_is_named(scene: Scene) -> None:
    expected = Passage(scene.retrieved.terminal, OFFICE, scene.retrieved.certificate.not_after)
    assert scene.gateway.authorize(scene.presented) == expected


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap[0].__name__.strip("_"))
def test_each_mishap_has_its_code(sqlite_scene: Scene, mishap: tuple[Callable[[Scene], None], str, object]) -> None:
    happen, *told = mishap
    happen(sqlite_scene)
    assert sqlite_scene.told() == tuple(told)


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap[0].__name__.strip("_"))
def test_each_mishap_has_words_for_the_header(mishap: tuple[Callable[[Scene], None], str, object]) -> None:
    _, code, detail = mishap
    reason = door.reason_of(Refused(code, **({"detail": str(detail)} if detail else {})))
    assert reason.startswith(f"{code} ")
    assert reason.isascii()
    assert reason != f"{code} refused"


def test_the_day_in_tokyo_decides_about_the_start(sqlite_house: House, clock: SettableClock) -> None:
    start = tokyo_date(clock.now()) + timedelta(days=3)
    retrieved = sqlite_house.issue(start_date=start)
    scene = Scene(sqlite_house, clock, retrieved, retrieved.certificate.der)
    clock.instant = day_start(start) - timedelta(microseconds=1)
    assert scene.told() == ("A0006", None)
    clock.instant = day_start(start)
    assert scene.told() == ("passes", None)


def test_passing_is_no_logon_the_renewed_certificate_waits_for_that(house: House, clock: SettableClock) -> None:
    terminal = renewable(house, clock)
    renewed = terminal.renew().certificate
    scene = Scene(house, clock, house.issue(), renewed.der)
    assert scene.told() == ("passes", None)
    assert terminal.renewals() == ["issued"]
    scene.presented = terminal.der
    assert scene.told() == ("A0036", "replaced")
    assert terminal.log_on(renewed.der) == "permitted"
    assert scene.told() == ("A0036", "superseded")
