"""The ceremony's file: YAML to plan. Everything is checked before anything is made, and every fault is told with its line."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography import x509
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ca.plan import ISSUING_CRL, ROOT_CRL, AuthorityPlan, Plan, ServiceKind, ServicePlan, link_name
from ca.profiles import Addresses, ServerNames
from ca.yaml_lines import FileFault, faults_of, line_of, parse

# Names that other keys of a home have (server.custody).
_TAKEN = {"codes", "checkpoint"}
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
_LONGEST_CRL = 400
Algorithm = Literal["p256", "p384", "rsa3072", "rsa4096", "ed25519", "mldsa65"]
Custody = Literal["software", "pkcs11"]
Fault = tuple[tuple[object, ...], str]

# What those who meet a service's certificate can read: TLS clients, SCEP clients (which encrypt to it), mail programs, readers
# of PDF (ISO/TS 32002). Answers about status and time may be signed by anything that signs here.
_ALGORITHMS = {
    ServiceKind.DOCUMENT: ("p256", "p384", "rsa3072", "rsa4096", "ed25519"),
    ServiceKind.SERVER: ("p256", "p384", "rsa3072", "rsa4096"),
    ServiceKind.SCEP: ("rsa3072", "rsa4096"),
    ServiceKind.CMP: ("p256", "p384", "rsa3072", "rsa4096", "ed25519"),
    ServiceKind.MAIL: ("p256", "p384", "rsa3072", "rsa4096"),
}


def _host(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if not _HOST.fullmatch(name):
            raise ValueError("must be a host name in lower case, or an IP address") from None
    return name


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Crl(_Written):
    period_days: int = Field(ge=1, le=_LONGEST_CRL)
    lifetime_days: int = Field(ge=1, le=_LONGEST_CRL)


class _Keyed(_Written):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    algorithm: Algorithm
    years: int = Field(ge=1, le=40)
    custody: Custody | None = None


class _Authority(_Keyed):
    common_name: str = Field(min_length=1, max_length=64)
    under: str | None = None
    replaces: str | None = None
    issues_from: datetime | None = None
    crl: _Crl | None = None


class _Service(_Keyed):
    kind: ServiceKind
    under: str
    # A server is called by its first host.
    common_name: str | None = Field(default=None, min_length=1, max_length=64)
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    mail: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$", max_length=254)
    key: int = Field(default=1, ge=1, le=999)


class _File(_Written):
    organization: str = Field(min_length=1, max_length=64)
    country: str = Field(default="JP", pattern=r"^[A-Z]{2}$")
    authorities: tuple[_Authority, ...] = Field(min_length=1)
    services: tuple[_Service, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What the file does not say: addresses in certificates, where lists are published, in which custody a key would be."""

    addresses: Addresses
    crl_folder: Path
    custody_of: Callable[[str], str]


def read(content: bytes, file: Path, around: Surroundings) -> Plan:
    """Return the plan that a file's octets describe; raises FileFault with everything that is amiss."""
    tree = parse(content, file)
    try:
        written = _File.model_validate(tree)
    except ValidationError as error:
        raise FileFault(faults_of(error, tree, file)) from None
    found = sorted((line_of(tree, path), what) for path, what in _faults(written, around.custody_of))
    if found:
        raise FileFault([f"{file}:{line}: {what}" for line, what in found])
    lined = [(entry, line_of(tree, ("authorities", place))) for place, entry in enumerate(written.authorities)]
    authorities = [_authority(entry, line) for entry, line in lined]
    return Plan(
        organization=written.organization,
        addresses=around.addresses,
        authorities=tuple(sorted(authorities, key=lambda one: one.under is not None)),
        services=tuple(_service(entry, line_of(tree, ("services", place))) for place, entry in enumerate(written.services)),
        crl_folder=around.crl_folder,
        country=written.country,
        file=file,
    )


def _faults(written: _File, custody_of: Callable[[str], str]) -> Iterator[Fault]:
    seen: set[str] = set()
    subjects: set[str] = set()
    listed: list[tuple[str, int, _Keyed]] = [
        *(("authorities", place, entry) for place, entry in enumerate(written.authorities)),
        *(("services", place, entry) for place, entry in enumerate(written.services)),
    ]
    linked = [(one.name, one.replaces) for one in written.authorities if one.replaces is not None]
    links = {link_name(*pair) for new, old in linked for pair in ((new, old), (old, new))}
    for part, place, entry in listed:
        if entry.name in seen | _TAKEN | links:
            yield (part, place, "name"), f"{entry.name}: the name is taken"
        if isinstance(entry, _Authority):
            if entry.common_name in subjects:
                yield (part, place, "common_name"), f"{entry.name}: another authority has this common_name"
            subjects.add(entry.common_name)
        if entry.custody and entry.custody != (kept := custody_of(entry.name)):
            yield (part, place, "custody"), f"{entry.name}: the settings (keys) keep this key in custody {kept}"
        seen.add(entry.name)
    by_name = {entry.name: entry for entry in written.authorities}
    for place, authority in enumerate(written.authorities):
        for name, what in _faults_of_authority(authority, by_name):
            yield ("authorities", place, name), f"{authority.name}: {what}"
    for place, service in enumerate(written.services):
        for name, what in _faults_of_service(service, by_name):
            yield ("services", place, name), f"{service.name}: {what}"
    yield from _faults_of_responders(written)


def _faults_of_authority(entry: _Authority, by_name: dict[str, _Authority]) -> Iterator[tuple[str, str]]:
    above = by_name.get(entry.under or "")
    if entry.under is not None and (above is None or above.under is not None):
        yield "under", f"{entry.under} is no root of this file"
    elif above is not None and entry.years > above.years:
        yield "years", f"lives longer than {above.name}"
    if entry.under is not None and entry.replaces is not None:
        yield "replaces", "only a root is linked with the one it replaces"
    if entry.replaces is not None:
        older = by_name.get(entry.replaces)
        if older is None or older is entry or older.under is not None:
            yield "replaces", f"{entry.replaces} is no other root of this file"
    if entry.issues_from is not None and entry.under is None:
        yield "issues_from", "a root gives terminals no certificates"
    if entry.issues_from is not None and entry.issues_from.tzinfo is None:
        yield "issues_from", "an instant needs its zone, for example 2027-04-01T00:00:00+09:00"
    if entry.crl is not None and entry.crl.period_days >= entry.crl.lifetime_days:
        yield "crl", "the next list must come before the last one ends: period_days must be less than lifetime_days"


def _faults_of_service(entry: _Service, by_name: dict[str, _Authority]) -> Iterator[tuple[str, str]]:
    above = by_name.get(entry.under)
    if above is None or above.under is None:
        yield "under", f"{entry.under} is no issuing CA of this file"
    elif entry.years > above.years:
        yield "years", f"lives longer than {above.name}"
    known = _ALGORITHMS.get(entry.kind)
    if known and entry.algorithm not in known:
        yield "algorithm", f"a certificate of the kind {entry.kind} needs one of {', '.join(known)}"
    if (entry.kind == ServiceKind.SERVER) != bool(entry.hosts):
        yield "hosts", "a server, and nothing else, has hosts"
    if (entry.kind == ServiceKind.SERVER) == (entry.common_name is not None):
        yield "common_name", "every service has a common_name but a server, which is called by its first host"
    if entry.kind == ServiceKind.SERVER and not entry.name.startswith("tls-"):
        yield "name", "a server's key begins with tls-"
    if entry.kind == ServiceKind.SERVER and entry.hosts and not _names(entry.hosts).host_names:
        yield "hosts", "a server needs a host name beside its addresses"
    if (entry.kind == ServiceKind.MAIL) != (entry.mail is not None):
        yield "mail", "a certificate of the kind mail, and no other, has a mail address"


def _faults_of_responders(written: _File) -> Iterator[Fault]:
    served = [entry.under for entry in written.services if entry.kind == ServiceKind.OCSP]
    for place, authority in enumerate(written.authorities):
        if authority.under is not None and served.count(authority.name) != 1:
            yield ("authorities", place), f"{authority.name}: an issuing CA has one service of the kind ocsp"


def _authority(entry: _Authority, line: int) -> AuthorityPlan:
    period, lifetime = ROOT_CRL if entry.under is None else ISSUING_CRL
    if entry.crl is not None:
        period, lifetime = timedelta(days=entry.crl.period_days), timedelta(days=entry.crl.lifetime_days)
    return AuthorityPlan(
        name=entry.name,
        common_name=entry.common_name,
        algorithm=entry.algorithm,
        years=entry.years,
        under=entry.under,
        crl_period=period,
        crl_lifetime=lifetime,
        issues_from=entry.issues_from.astimezone(UTC) if entry.issues_from else None,
        replaces=entry.replaces,
        line=line,
    )


def _service(entry: _Service, line: int) -> ServicePlan:
    names = _names(entry.hosts) if entry.hosts else None
    return ServicePlan(
        name=entry.name,
        kind=entry.kind,
        common_name=names.host_names[0] if names else entry.common_name or "",
        algorithm=entry.algorithm,
        years=entry.years,
        under=entry.under,
        names=names,
        mail=entry.mail,
        key=entry.key,
        line=line,
    )


def _names(hosts: tuple[str, ...]) -> ServerNames:
    names: list[str] = []
    addresses: list[x509.IPAddress] = []
    for host in hosts:
        try:
            addresses.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(host)
    return ServerNames(tuple(names), tuple(addresses))


def render(plan: Plan) -> str:
    """Write a plan as a commented file that `read` reads."""
    lines = [
        "# The ceremony: which authorities and services this house has. `tegata ceremony FILE` founds what is not there yet,",
        "# changes nothing of what stands, and refuses a file that would. Custody of each key is chosen in tegata.toml ([keys]).",
        f"organization: {_quoted(plan.organization)}",
        f"country: {plan.country}",
        "",
        "# A root is under nobody. An issuing CA gives terminals their certificates from `issues_from` on (an instant such as",
        "# 2027-04-01T00:00:00+09:00; without it, at once). `replaces` links a new root with an older one.",
        "authorities:",
    ]
    for authority in plan.authorities:
        lines += _entry(_facts_of_authority(authority))
    lines += [
        "",
        "# Kinds: ocsp, timestamp, server (TLS), document, scep (RSA), cmp, mail. They renew themselves on the same key;",
        "# `key: 2` (3, and so on) gives one a new key, with a new certificate.",
        "services:",
    ]
    for service in plan.services:
        lines += _entry(_facts_of_service(service))
    return "\n".join(lines) + "\n"


def _facts_of_authority(plan: AuthorityPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "under": plan.under,
        "common_name": _quoted(plan.common_name),
        "algorithm": plan.algorithm,
        "years": plan.years,
        "issues_from": plan.issues_from.isoformat() if plan.issues_from else None,
        "replaces": plan.replaces,
        "crl": f"{{ period_days: {plan.crl_period.days}, lifetime_days: {plan.crl_lifetime.days} }}",
    }


def _facts_of_service(plan: ServicePlan) -> dict[str, Any]:
    hosts = [*plan.names.host_names, *(str(address.value) for address in plan.names.addresses)] if plan.names else []
    return {
        "name": plan.name,
        "kind": plan.kind.value,
        "under": plan.under,
        "common_name": None if plan.names else _quoted(plan.common_name),
        "algorithm": plan.algorithm,
        "years": plan.years,
        "hosts": f"[{', '.join(map(_quoted, hosts))}]" if hosts else None,
        "mail": _quoted(plan.mail) if plan.mail else None,
        "key": plan.key if plan.key > 1 else None,
    }


def _entry(facts: dict[str, Any]) -> list[str]:
    written = [f"{name}: {value}" for name, value in facts.items() if value is not None]
    return [f"  - {written[0]}", *(f"    {line}" for line in written[1:])]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
