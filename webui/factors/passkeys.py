"""Passkeys (WebAuthn level 2) without database: what browsers are asked for, and the check of what they answer.

A passkey counts as both factors, so the authenticator must have verified its user (PIN, finger, face) each time.
"""

import hashlib
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import webauthn

from kernel.errors import Refused
from webui.accounts import Person
from webui.factors import options

# Largest answer of a browser that is looked at; real ones have some 2,000 characters.
LONGEST_ANSWER = 16_384


@dataclass(frozen=True)
class Credential:
    """A passkey as it is kept."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True)
class RelyingParty:
    """The door as authenticators know it (WebAuthn §4, "Relying Party Identifier"): its host, its origin and its name."""

    host: str
    origin: str
    name: str

    @classmethod
    def of(cls, public_url: str, name: str) -> "RelyingParty":
        """Return the relying party of a door's public address."""
        parts = urlsplit(public_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}", name)

    @property
    def is_possible(self) -> bool:
        """Whether browsers take passkeys here: an IP address can be no relying party identifier."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return bool(self.host)
        return False

    def registration_options(self, person: Person, challenge: bytes, known: Iterable[bytes]) -> str:
        """Return what `navigator.credentials.create` is called with, as JSON; keys that are `known` are not made twice."""
        user = options.User(handle_of(person), _name_of(person), person.name)
        return options.registration(options.Party(self.host, self.name), user, challenge, known)

    def assertion_options(self, challenge: bytes, allowed: Iterable[bytes]) -> str:
        """Return what `navigator.credentials.get` is called with, as JSON; none `allowed` means whichever the visitor has."""
        return options.assertion(self.host, challenge, allowed)

    def registered(self, answer: str, challenge: bytes) -> Credential:
        """Return the new passkey that a browser's answer brings (WebAuthn §7.1); raises Refused("passkey-refused")."""
        try:
            verified = webauthn.verify_registration_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self.host,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except Exception as error:  # the library lets its parsers' own errors through
            raise Refused("passkey-refused") from error
        return Credential(verified.credential_id, verified.credential_public_key, verified.sign_count)

    def proven(self, answer: str, challenge: bytes, credential: Credential) -> int:
        """Check that a passkey signed the challenge (WebAuthn §7.2) and return its new count; raises Refused("passkey-refused").

        A count that does not grow is refused: the key may have been copied (§6.1.1). Keys that do not count stay at zero.
        """
        try:
            verified = webauthn.verify_authentication_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self.host,
                expected_origin=self.origin,
                credential_public_key=credential.public_key,
                credential_current_sign_count=credential.sign_count,
                require_user_verification=True,
            )
        except Exception as error:  # as above
            raise Refused("passkey-refused") from error
        return verified.new_sign_count


def credential_id_of(answer: str) -> bytes:
    """Return which passkey an answer is of; raises Refused("passkey-refused")."""
    try:
        return webauthn.base64url_to_bytes(json.loads(_bounded(answer))["rawId"])
    except Exception as error:  # whatever is sent here is a stranger's
        raise Refused("passkey-refused") from error


def handle_of(person: Person) -> bytes:
    """Return the account's user handle (WebAuthn §5.4.3): it names nobody."""
    return hashlib.sha256(f"passkey {person.door.value} {person.account_id}".encode()).digest()


def _bounded(answer: str) -> str:
    if len(answer) > LONGEST_ANSWER:
        raise Refused("passkey-refused")
    return answer


def _name_of(person: Person) -> str:
    return f"{person.office_code}/{person.login}" if person.office_code else person.login
