"""Profiles as data: a commented YAML file, checked as a whole when it is read, with messages that name the line."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ca.profiles import Addresses, TerminalProfile
from ca.yaml_lines import FileFault, faults_of, parse

PACKAGED = Path(__file__).with_name("profiles.yaml")
_USAGES = {
    "digitalSignature": "digital_signature",
    "contentCommitment": "content_commitment",
    "keyAgreement": "key_agreement",
}
_PURPOSES = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
    "smartcardLogon": ExtendedKeyUsageOID.SMARTCARD_LOGON.dotted_string,
}
# What would let a terminal speak for us, or for anything.
_FORBIDDEN_PURPOSES = {
    oid.dotted_string
    for oid in (
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CODE_SIGNING,
    )
}
SMALLEST_PARTITION, LARGEST_PARTITION = 10_000, 100_000
_OID = r"^[012](\.(0|[1-9][0-9]*)){2,}$"


class ProfileFault(FileFault):
    """The profiles can not be used."""


@dataclass(frozen=True)
class Defaults:
    """What the settings say where the file is silent."""

    policy_oid: str
    san_prefix: str
    fixed_end: date | None = None


def _purpose(name: str) -> str:
    oid = _PURPOSES.get(name, name)
    if not all(arc.isdigit() for arc in oid.split(".")) or "." not in oid:
        raise ValueError(f"must be one of {', '.join(_PURPOSES)}, or an object identifier such as 1.3.6.1.5.5.7.3.2")
    if oid in _FORBIDDEN_PURPOSES:
        raise ValueError("is nothing that a terminal's certificate may be good for")
    return oid


def _some_each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("names nothing")
    if len(set(names)) < len(names):
        raise ValueError("names something twice")
    return names


def _none_or_enough(size: int) -> int:
    # Smaller ones cost more files than they save octets; of larger ones each change is a list of megabytes.
    if size and not SMALLEST_PARTITION <= size <= LARGEST_PARTITION:
        raise ValueError(f"must be 0, or {SMALLEST_PARTITION} to {LARGEST_PARTITION}")
    return size


_Once = AfterValidator(_some_each_once)


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _RsaBits(_Written):
    smallest: int = Field(ge=2048, le=4096)
    largest: int = Field(ge=2048, le=4096)

    @model_validator(mode="after")
    def _in_order(self) -> "_RsaBits":
        if self.smallest > self.largest:
            raise ValueError("smallest is larger than largest")
        return self


class _Lists(_Written):
    partition_size: Annotated[int, AfterValidator(_none_or_enough)]
    delta: bool


class _Terminal(_Written):
    policy: str | None = Field(default=None, pattern=_OID)
    name_prefix: str | None = Field(
        default=None, pattern=r"^tag:[a-z0-9.-]+,[0-9]{4}(-[0-9]{2}){0,2}:[A-Za-z0-9._~:/-]*$", max_length=200
    )
    validity: Literal["one-year"] | date | None = None
    backdating_minutes: int = Field(ge=0, le=60)
    issuer_algorithms: Annotated[tuple[Literal["p256", "p384", "rsa3072", "rsa4096", "ed25519", "mldsa65"], ...], _Once]
    subject_keys: Annotated[tuple[Literal["p256", "p384", "rsa", "ed25519"], ...], _Once]
    rsa_bits: _RsaBits
    key_usage: Annotated[tuple[Literal["digitalSignature", "contentCommitment", "keyAgreement"], ...], _Once]
    extended_key_usage: Annotated[tuple[Annotated[str, AfterValidator(_purpose)], ...], _Once]
    crl: _Lists

    @model_validator(mode="after")
    def _logs_on(self) -> "_Terminal":
        if "digitalSignature" not in self.key_usage or _PURPOSES["clientAuth"] not in self.extended_key_usage:
            raise ValueError("a terminal logs on by TLS: key_usage needs digitalSignature, extended_key_usage clientAuth")
        if "keyAgreement" in self.key_usage and not {"p256", "p384"}.issuperset(self.subject_keys):
            # RFC 8017 keys encrypt, RFC 8410 §5 keeps Ed25519 to signatures.
            raise ValueError("keyAgreement is for elliptic-curve keys only: take rsa and ed25519 out of subject_keys")
        return self


class _Profiles(_Written):
    terminal: _Terminal


def load(file: Path, defaults: Defaults, addresses: Addresses) -> TerminalProfile:
    """Read the terminals' profile; raises ProfileFault with everything that is amiss."""
    tree = _parse(file)
    try:
        written = _Profiles.model_validate(tree).terminal
    except ValidationError as error:
        raise ProfileFault(faults_of(error, tree, file)) from None
    fixed_end = defaults.fixed_end if written.validity is None else None
    return TerminalProfile(
        policy_oid=written.policy or defaults.policy_oid,
        san_prefix=written.name_prefix or defaults.san_prefix,
        addresses=addresses,
        fixed_end=written.validity if isinstance(written.validity, date) else fixed_end,
        backdating=timedelta(minutes=written.backdating_minutes),
        usages=tuple(_USAGES[name] for name in written.key_usage),
        purposes=written.extended_key_usage,
        issuer_algorithms=written.issuer_algorithms,
        subject_keys=written.subject_keys,
        rsa_bits=(written.rsa_bits.smallest, written.rsa_bits.largest),
        partition_size=written.crl.partition_size,
        delta=written.crl.delta,
    )


def _parse(file: Path) -> object:
    try:
        return parse(file.read_bytes(), file)
    except OSError as error:
        raise ProfileFault([f"{file}:1: can not be read: {error}"]) from None
    except FileFault as fault:
        raise ProfileFault(fault.faults) from None
