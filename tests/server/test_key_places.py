from pathlib import Path

import pytest
from pydantic import ValidationError

from server.key_places import KeySettings, TokenPlace, place_of
from server.settings import SettingsFault, load

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def test_a_uri_names_module_token_secret_and_label() -> None:
    uri = f"pkcs11:token=My%20token;object=issuing;type=private?module-path={MODULE}&pin-source=issuing_pin"
    assert place_of(uri) == TokenPlace(Path(MODULE), "My token", "issuing_pin", "issuing")


def test_the_pins_secret_has_a_name_of_its_own_choosing_or_the_usual_one() -> None:
    assert place_of(f"pkcs11:token=t?module-path={MODULE}") == TokenPlace(Path(MODULE), "t", "token_pin", None)


def test_keys_are_in_software_unless_said() -> None:
    assert KeySettings().place("root") is None


def test_each_key_may_be_elsewhere() -> None:
    keys = KeySettings(custody=f"pkcs11:token=t?module-path={MODULE}", each={"root": "software"})
    assert keys.place("root") is None
    assert keys.place("issuing-1") == TokenPlace(Path(MODULE), "t")


def test_what_tls_reads_and_what_unseals_codes_is_never_in_a_token() -> None:
    uri = f"pkcs11:token=t?module-path={MODULE}"
    keys = KeySettings(custody=uri)
    for name in ("tls-retrieval", "codes"):
        assert keys.place(name) is None
        with pytest.raises(ValidationError, match=f"the key {name} can not be in a token"):
            KeySettings(each={name: uri})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("hsm", "must be"),
        ("pkcs11:", "must name token and module-path"),
        ("pkcs11:token=t", "must name token and module-path"),
        (f"pkcs11:token=t?module-path={MODULE}&pin-value=1234", "a PIN does not stand in settings"),
        (f"pkcs11:token=t?module-path={MODULE}&pin-source=/etc/pin", "the name of a secret's file"),
        (f"pkcs11:token=t;serial=1?module-path={MODULE}", "not known here: serial"),
        (f"pkcs11:token=t;token=u?module-path={MODULE}", "can not be read"),
        (f"pkcs11:token?module-path={MODULE}", "can not be read"),
        (f"pkcs11:token=t;object=k?module-path={MODULE}", "is for all keys"),
        (f"pkcs11:token=t;type=cert?module-path={MODULE}", "another type"),
    ],
)
def test_what_can_not_be_followed_is_told_at_start(tmp_path: Path, value: str, told: str) -> None:
    (tmp_path / "tegata.toml").write_text(f'[keys]\ncustody = "{value}"\n', encoding="utf-8")
    with pytest.raises(SettingsFault, match=told) as caught:
        load(tmp_path)
    assert "TEGATA_KEYS__CUSTODY" in str(caught.value)
    assert "1234" not in str(caught.value)
