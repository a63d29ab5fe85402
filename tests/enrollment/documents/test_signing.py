"""A signature that holds for years, and in which no octet can be changed unseen; tests/interop has other judges."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm

from ca import revocation
from ca.ceremony import Ceremony
from ca.plan import DOCUMENTS
from ca.renewal import Renewals
from ca.revocation import Reason
from ca.services import service_certificate
from enrollment.documents import evidence, facts
from enrollment.documents.examination import Outcome
from enrollment.documents.examiner import examine
from enrollment.documents.notices import ApprovalNotices
from enrollment.documents.signing import FIELD_NAME
from enrollment.documents.typesetting import typeset
from kernel.errors import Unavailable
from keys.custody import AssignedKeys, KeyStore
from keys.pkcs11 import TokenKeys
from keys.trouble import CustodyAwayError
from tests.enrollment.documents.conftest import Made, notice_of
from tests.enrollment.filings import approved
from tests.support.clock import SettableClock
from tests.support.documents import PUBLISHER, equipment, notices, root_der
from tests.support.house import House
from tests.support.softhsm import soft_token

# Changed octets that are tried; every one takes the examiner some tenths of a second.
FLIPPED = 24


def test_it_is_certified_against_any_change_by_an_invisible_field_with_a_name(made: Made) -> None:
    reader = PdfFileReader(BytesIO(made.content), strict=True)
    [signature], [stamp] = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    assert signature.docmdp_level is MDPPerm.NO_CHANGES
    assert signature.sig_field["/TU"] == FIELD_NAME
    x1, _, x2, _ = signature.sig_field["/Rect"]
    assert x2 - x1 == 0 or x2 < 0
    assert stamp.sig_object["/SubFilter"] == "/ETSI.RFC3161"
    # What signs says when, by our clock and not by the machine's.
    assert signature.self_reported_timestamp == made.clock.now()


def test_the_examiner_calls_it_whole_and_tells_who_signed_and_when(made: Made) -> None:
    found = examine(made.content, [made.root], made.clock.now() + timedelta(seconds=5))
    assert found.outcome is Outcome.WHOLE
    assert found.signer == "Tegata Trial Network documents 1"
    assert found.stamped_by == "Tegata Trial Network time stamps 1"
    assert found.signed_at == made.clock.now()


def test_years_later_when_all_its_certificates_have_ended_it_is_whole_still(made: Made) -> None:
    later = made.clock.now() + timedelta(days=30 * 365)
    assert examine(made.content, [made.root], later).outcome is Outcome.WHOLE


def test_an_octet_changed_anywhere_is_seen(made: Made) -> None:
    chance = Random(20261122)  # noqa: S311 (test material)
    now = made.clock.now()
    for _ in range(FLIPPED):
        at = chance.randrange(len(made.content))
        changed = bytearray(made.content)
        changed[at] ^= 1 << chance.randrange(8)
        assert examine(bytes(changed), [made.root], now).outcome is not Outcome.WHOLE, at


@pytest.mark.parametrize("appended", [b"\n", b"%", b"\n%%EOF\n", bytes(100)])
def test_what_is_appended_is_seen(made: Made, appended: bytes) -> None:
    assert examine(made.content + appended, [made.root], made.clock.now()).outcome is not Outcome.WHOLE


def test_the_room_that_a_signature_does_not_need_is_looked_at(made: Made) -> None:
    # The last stamp's own hexadecimal zeros are covered by no signature at all.
    at = made.content.rindex(b"00000000>")
    for written in (b"1", b"\x00", b" "):
        changed = made.content[:at] + written + made.content[at + 1 :]
        assert examine(changed, [made.root], made.clock.now()).outcome is Outcome.CHANGED, written


def test_without_its_last_stamp_it_is_not_whole(made: Made) -> None:
    cut = made.content[: made.content.rindex(b"%%EOF", 0, made.content.rindex(b"%%EOF")) + 6]
    assert examine(cut, [made.root], made.clock.now()).outcome is Outcome.CHANGED


def test_by_other_roots_it_is_a_strangers(made: Made, sqlite_house: House) -> None:
    house = sqlite_house
    other = x509.load_der_x509_certificate(root_der(house))
    assert other.subject == x509.load_der_x509_certificate(made.root).subject
    # The same name, another key: the path leads there by name, and no signature holds.
    if root_der(house) != made.root:
        assert examine(made.content, [root_der(house)], made.clock.now()).outcome is Outcome.CHANGED
    assert examine(made.content, [], made.clock.now()).outcome is Outcome.FOREIGN


def test_with_a_renewed_certificate_and_then_a_new_key_old_notices_verify_still(
    sqlite_house: House, clock: SettableClock
) -> None:  # fmt: skip
    house = sqlite_house
    house.new_terminals()
    made: list[bytes] = []

    def one_more() -> None:
        number = approved(house)
        assert notices(house).make_due(clock.now()) == 1
        made.append(notice_of(house, number))

    one_more()
    first = service_certificate(house.database, DOCUMENTS)
    clock.advance(timedelta(days=730) * 5 / 6 + timedelta(hours=1))
    Renewals(house.database, house.plan.addresses, lambda _: house.issuing).renew_due(clock.now())
    house.__dict__.pop("responder", None)  # its certificate was renewed, too
    Ceremony(house.database, house.keys, house.plan).hold(clock.now())  # the root's list would have ended
    assert service_certificate(house.database, DOCUMENTS) != first
    one_more()
    changed = tuple(replace(one, key=2) if one.name == DOCUMENTS else one for one in house.plan.services)
    assert Ceremony(house.database, house.keys, replace(house.plan, services=changed)).hold(clock.now())
    one_more()
    certificates = {examine(content, [root_der(house)], clock.now()).certificate for content in made}
    assert len(certificates) == 3
    for later in (timedelta(), timedelta(days=10 * 365)):
        outcomes = {examine(content, [root_der(house)], clock.now() + later).outcome for content in made}
        assert outcomes == {Outcome.WHOLE}


def with_new_key(house: House, keys: KeyStore, algorithm: str) -> None:
    """Give the documents' signer another key, of a kind."""
    changed = tuple(replace(one, key=2, algorithm=algorithm) if one.name == DOCUMENTS else one for one in house.plan.services)
    Ceremony(house.database, keys, replace(house.plan, services=changed)).hold(house.clock.now())


def made_with(house: House, keys: KeyStore) -> bytes:
    """Make a notice, with keys that lie where they lie, and return it."""
    house.new_terminals()
    number = approved(house)
    maker = ApprovalNotices(house.database, PUBLISHER, lambda now: equipment(house, now, keys))
    assert maker.make_due(house.clock.now()) == 1
    return notice_of(house, number)


def test_a_key_in_a_token_signs_as_well(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    with soft_token(tmp_path / "token") as soft:
        in_token = TokenKeys(soft.token)
        keys = AssignedKeys(lambda name: (in_token if name == f"{DOCUMENTS}.2" else house.keys, name))
        with_new_key(house, keys, "p256")
        assert in_token.exists(f"{DOCUMENTS}.2")
        content = made_with(house, keys)
    assert examine(content, [root_der(house)], house.clock.now()).outcome is Outcome.WHOLE


@pytest.mark.parametrize("algorithm", ["p384", "rsa3072", "ed25519"])
def test_a_signer_with_a_key_of_each_kind_that_pdf_knows(sqlite_house: House, algorithm: str) -> None:
    with_new_key(sqlite_house, sqlite_house.keys, algorithm)
    content = made_with(sqlite_house, sqlite_house.keys)
    assert examine(content, [root_der(sqlite_house)], sqlite_house.clock.now()).outcome is Outcome.WHOLE


def test_a_kind_that_pdf_does_not_know_and_a_wrong_key_are_told_at_once(sqlite_house: House) -> None:
    ready = equipment(sqlite_house, sqlite_house.clock.now()).signer
    with pytest.raises(ValueError, match="does not match"):
        replace(ready, key=ec.generate_private_key(ec.SECP256R1()))
    with_new_key(sqlite_house, sqlite_house.keys, "mldsa65")
    with pytest.raises(ValueError, match="do not know"):
        equipment(sqlite_house, sqlite_house.clock.now())


def test_while_the_keys_custody_is_away_nothing_is_signed(made: Made) -> None:
    ready = equipment(made.house, made.clock.now())

    class Away:
        """A key whose token was pulled."""

        def public_key(self) -> ec.EllipticCurvePublicKey:
            public = ready.signer.key.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            return public

        def sign(self, *_: object) -> bytes:
            raise CustodyAwayError("the token is away")

    with made.house.database.snapshot() as session:
        told = facts.application_form(session, made.receipt_number, PUBLISHER)
    away = replace(ready.signer, key=Away())  # type: ignore[arg-type]  # a broken key
    with pytest.raises(Unavailable):
        away.sign(typeset(told, made.clock.now()), ready.evidence, made.clock.now())


def test_what_ocsp_does_not_call_good_is_no_evidence(sqlite_house: House) -> None:
    house, now = sqlite_house, sqlite_house.clock.now()
    issued = house.issue().certificate
    with house.database.transaction() as session:
        revocation.revoke(session, issued.issuer, issued.serial, reason=Reason.SUPERSEDED, now=now)
    asked = ((x509.load_der_x509_certificate(issued.der or b""), house.issuing.issuer.certificate),)
    with pytest.raises(Unavailable, match="good"):
        evidence.gather(asked, (), lambda der, at: house.responder.answer(der, at).der, now)
