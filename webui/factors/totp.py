"""One-time passwords by time (RFC 6238: SHA-1, six digits, 30 seconds, as every authenticator app has them)."""

import hmac
import unicodedata
from datetime import datetime

import pyotp

STEP = 30  # seconds
DIGITS = 6
# Steps by which a phone's clock may be off, either way (RFC 6238 §5.2 advises one).
DRIFT = 1
SECRET_CHARACTERS = 32  # of base32: 160 bits, as RFC 4226 §4 recommends


def new_secret() -> str:
    """Return a random secret in base32."""
    return pyotp.random_base32(SECRET_CHARACTERS)


def address_of(secret: str, *, account: str, service: str) -> str:
    """Return the otpauth address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=service)


def code_at(secret: str, now: datetime) -> str:
    """Return what an app that has the secret shows."""
    return pyotp.TOTP(secret).generate_otp(step_of(now))


def normal(code: str) -> str:
    """Return a code as typed, whatever width and blanks."""
    return "".join(unicodedata.normalize("NFKC", code).split())


def step_of(now: datetime) -> int:
    """Return the number of the time step (RFC 6238 §4.2: T, with T0 = 0)."""
    return int(now.timestamp()) // STEP


def accepted_step(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """Return the time step that a code is of; None when it is of none that may be used now.

    `after` is the step that was used last: RFC 6238 §5.2 forbids accepting one a second time. All steps are compared, each in
    constant time, so that the time taken tells nothing.
    """
    present, typed, found = step_of(now), normal(code).encode(errors="replace"), None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), typed) and step > after:
            found = step
    return found
