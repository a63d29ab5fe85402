"""Where each key is kept, as the settings say it: in software, or in a token that a PKCS#11 URI (RFC 7512) names."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

SOFTWARE = "software"
SCHEME = "pkcs11:"
DEFAULT_PIN = "token_pin"
_SECRET = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_EXAMPLE = "for example pkcs11:token=tegata?module-path=/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True)
class TokenPlace:
    """A token: its module, its label, the secret with its PIN, and a key's label where it is not the key's name."""

    module: Path
    token: str
    pin_secret: str = DEFAULT_PIN
    label: str | None = None


def place_of(value: str) -> TokenPlace | None:
    """Read a place; None is software. Raises ValueError with a sentence for the operator."""
    if value == SOFTWARE:
        return None
    if not value.startswith(SCHEME):
        raise ValueError(f'must be "{SOFTWARE}" or a PKCS#11 URI, {_EXAMPLE}')
    path, _, query = value.removeprefix(SCHEME).partition("?")
    where, how = _attributes(path, ";"), _attributes(query, "&")
    if how.keys() & {"pin-value"}:
        raise ValueError("a PIN does not stand in settings: put it into a secret's file and name that by pin-source")
    # RFC 7512 §2.3: who does not know an attribute must not act as if it were not there.
    if unknown := sorted((where.keys() - {"token", "object", "type"}) | (how.keys() - {"module-path", "pin-source"})):
        raise ValueError(f"the PKCS#11 URI has attributes that are not known here: {', '.join(unknown)}")
    if "token" not in where or "module-path" not in how:
        raise ValueError(f"the PKCS#11 URI must name token and module-path, {_EXAMPLE}")
    if where.get("type", "private") != "private":
        raise ValueError("the PKCS#11 URI must not ask for another type than private")
    secret = how.get("pin-source", DEFAULT_PIN)
    if not _SECRET.fullmatch(secret):
        raise ValueError("pin-source must be the name of a secret's file, for example token_pin")
    return TokenPlace(Path(how["module-path"]), where["token"], secret, where.get("object"))


def _attributes(text: str, separator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise ValueError(f"the PKCS#11 URI has a part that can not be read: {name}")
        found[name] = unquote(value, errors="strict")
    return found


def _readable(value: str) -> str:
    place_of(value)
    return value


def is_always_software(name: str) -> bool:
    """Return whether a key can be in no token: TLS servers read theirs from files, and no usual token knows HPKE."""
    return name.partition(".")[0] == "codes" or name.startswith("tls-")


def decrypts(name: str) -> bool:
    """Return whether a key is one that others encrypt to: SCEP's registration authority (RFC 8894 §3)."""
    return name.partition(".")[0] == "scep"


Place = Annotated[str, AfterValidator(_readable)]


class KeySettings(BaseModel):
    """`[keys]`: the custody of all keys that may be in a token, of single ones by name, and the key that wraps backups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    custody: Place = SOFTWARE
    each: dict[str, Place] = Field(default_factory=dict)
    # The label of an AES key in the token, trusted by its security officer; keys made without it never leave the token.
    backup_key: str | None = None

    def place(self, name: str) -> TokenPlace | None:
        """Return where a key is kept; None is software."""
        if is_always_software(name):
            return None
        if name in self.each:
            return place_of(self.each[name])
        # A service's later keys (`ocsp.2`) are where its first one is, under labels of their own.
        first = place_of(self.each.get(name.partition(".")[0], self.custody))
        return replace(first, label=None) if first and "." in name else first

    @field_validator("custody")
    @classmethod
    def _names_no_key(cls, custody: str) -> str:
        if (place := place_of(custody)) and place.label:
            raise ValueError("is for all keys and can not name the object of one: say that under keys.each")
        return custody

    @field_validator("each")
    @classmethod
    def _may_be_in_a_token(cls, each: dict[str, str]) -> dict[str, str]:
        for name, place in each.items():
            if is_always_software(name) and place != SOFTWARE:
                raise ValueError(f"the key {name} can not be in a token: TLS reads files, and tokens do not unseal codes")
        return each
