"""What is sealed opens only as it was sealed."""

import pytest

from keys.codes import UnsealingError
from keys.vault import Vault

VAULT = Vault(b"a secret of thirty-two octets ...", "second factors")


def test_what_is_sealed_opens_with_the_same_secret_purpose_and_binding() -> None:
    sealed = VAULT.seal(b"JBSWY3DPEHPK3PXP", b"totp 7")
    assert b"JBSWY3DPEHPK3PXP" not in sealed
    assert VAULT.open(sealed, b"totp 7") == b"JBSWY3DPEHPK3PXP"
    assert VAULT.seal(b"JBSWY3DPEHPK3PXP", b"totp 7") != sealed


@pytest.mark.parametrize(
    ("vault", "binding"),
    [
        (VAULT, b"totp 8"),
        (Vault(VAULT.secret, "something else"), b"totp 7"),
        (Vault(b"another secret of thirty-two ...", VAULT.purpose), b"totp 7"),
    ],
)
def test_under_another_secret_purpose_or_binding_it_does_not_open(vault: Vault, binding: bytes) -> None:
    sealed = VAULT.seal(b"JBSWY3DPEHPK3PXP", b"totp 7")
    with pytest.raises(UnsealingError):
        vault.open(sealed, binding)


def test_no_octet_may_change_and_none_be_missing() -> None:
    sealed = VAULT.seal(b"JBSWY3DPEHPK3PXP", b"totp 7")
    for at in range(len(sealed)):
        with pytest.raises(UnsealingError):
            VAULT.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], b"totp 7")
    for length in (0, 5, 12, len(sealed) - 1):
        with pytest.raises(UnsealingError):
            VAULT.open(sealed[:length], b"totp 7")


def test_the_secret_stays_out_of_what_is_printed() -> None:
    assert "thirty-two" not in repr(VAULT)
