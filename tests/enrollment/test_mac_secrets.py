import pytest

from enrollment import id_notices
from enrollment.codes import Codes
from enrollment.mac_secrets import MacSecrets, secret_of
from kernel.errors import Refused
from tests.support.clock import SettableClock
from tests.support.house import OFFICE, SECURITY, SOURCE, House, new_request


@pytest.fixture
def secrets(house: House) -> MacSecrets:
    return MacSecrets(house.database, house.hasher, house.opener)


@pytest.fixture
def codes(house: House) -> Codes:
    [(_, codes)] = house.new_codes()
    return codes


def test_a_secret_is_found_by_the_access_key_however_it_is_written(house: House, secrets: MacSecrets, codes: Codes) -> None:
    expected = f"{codes.auth_code_1}-{codes.auth_code_2}-{codes.auth_code_3}-{OFFICE}".encode()
    for written in (codes.access_key, f" {codes.access_key[:4]} {codes.access_key[4:]}"):
        proven = secrets.prove(written, lambda secret: secret == expected, SOURCE, house.clock.now())
        assert (proven.codes, proven.secret) == (codes, expected)
    assert expected.decode() not in repr(proven)


def test_five_wrong_proofs_lock_the_codes_for_every_interface(house: House, secrets: MacSecrets, codes: Codes) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="codes-wrong"):
            secrets.prove(codes.access_key, lambda _secret: False, SOURCE, house.clock.now())
    with pytest.raises(Refused, match="throttled"):
        secrets.prove(codes.access_key, lambda _secret: True, SOURCE, house.clock.now())
    with pytest.raises(Refused, match="throttled"):
        house.redemption.redeem(codes, new_request().pem, "192.0.2.9")


def test_an_unknown_access_key_is_asked_for_a_proof_that_never_counts(house: House, secrets: MacSecrets) -> None:
    asked: list[bytes] = []

    def proof(secret: bytes) -> bool:
        asked.append(secret)
        return True

    with pytest.raises(Refused, match="codes-wrong"):
        secrets.prove("9999999999999", proof, SOURCE, house.clock.now())
    [nobody] = asked
    assert nobody.startswith(b"AAA000A-")


@pytest.mark.parametrize("access_key", ["", "9" * 100, "\x00\x01"])
def test_an_access_key_that_nobody_types_is_refused(house: House, secrets: MacSecrets, access_key: str) -> None:
    with pytest.raises(Refused, match="input-invalid"):
        secrets.prove(access_key, lambda _secret: True, SOURCE, house.clock.now())


def test_without_its_sealed_copy_a_secret_proves_nothing(
    house: House, secrets: MacSecrets, codes: Codes, clock: SettableClock
) -> None:  # fmt: skip
    house.redemption.redeem(codes, new_request().pem, SOURCE)
    expected = secret_of(codes)
    assert secrets.prove(codes.access_key, lambda secret: secret == expected, SOURCE, clock.now()).codes == codes
    id_notices.forget_redeemed(house.database, clock.advance(2 * id_notices.KEPT_AFTER_REDEMPTION))
    with pytest.raises(Refused, match="codes-wrong"):
        secrets.prove(codes.access_key, lambda _secret: True, SOURCE, clock.now())


def test_frozen_codes_still_tell_who_sends(house: House, secrets: MacSecrets, codes: Codes) -> None:
    house.notices.freeze(None, OFFICE, "99999W", SECURITY)
    expected = secret_of(codes)
    assert secrets.prove(codes.access_key, lambda secret: secret == expected, SOURCE, house.clock.now()).codes == codes
    with pytest.raises(Refused, match="codes-frozen"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
