"""Where somebody comes from, and what guesses are counted by."""

import hashlib
import ipaddress
from datetime import timedelta

from kernel import throttle
from webui.accounts.persons import Door

PER_ACCOUNT_AND_SOURCE = throttle.Limit(failures=5)
PER_SOURCE = throttle.Limit(failures=60, lock=timedelta(minutes=15), longest=timedelta(hours=1))
PER_ACCOUNT = throttle.Limit(failures=50, lock=timedelta(minutes=15), longest=timedelta(hours=1))


def network_of(address: str | None) -> str:
    """Return what counts as one source: an IPv4 address, an IPv6 /64 (which one customer has as a whole)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def login_keys(door: Door, office_code: str, login: str, source: str) -> tuple[tuple[str, throttle.Limit], ...]:
    """Return what failures are counted by, existing account or not; the pair first. Hashed: names are people's."""
    account = _named(door, office_code, login)
    return (
        (f"login:{account}:{source}", PER_ACCOUNT_AND_SOURCE),
        (f"login-source:{door}:{source}", PER_SOURCE),
        (f"login-account:{account}", PER_ACCOUNT),
    )


def device_keys(door: Door, office_code: str, login: str, token_hash: bytes) -> tuple[tuple[str, throttle.Limit], ...]:
    """Return what failures are counted by that come from a browser which the account is known from: nobody else's count there."""
    return ((f"login-device:{_named(door, office_code, login)}:{token_hash.hex()[:32]}", PER_ACCOUNT_AND_SOURCE),)


def device_hash(token: str) -> bytes:
    """Return what is kept of a browser's lasting cookie."""
    return hashlib.sha256(b"device " + token.encode()).digest()


def _named(door: Door, office_code: str, login: str) -> str:
    return hashlib.sha256(f"{door} {office_code} {login}".encode()).hexdigest()[:32]
