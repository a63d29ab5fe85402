"""What browsers are asked for when a passkey is made or shown (WebAuthn §5.4, §5.5), as JSON."""

from collections.abc import Iterable
from typing import NamedTuple

import webauthn
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

# How long a browser waits for its user, in milliseconds; the challenge lives a little longer.
PATIENCE = 180_000


class User(NamedTuple):
    """An account as authenticators keep it: its handle, its log-in name, the person's name."""

    handle: bytes
    name: str
    shown: str


class Party(NamedTuple):
    """The door as authenticators show it: its host and its name."""

    host: str
    name: str


def registration(party: Party, user: User, challenge: bytes, known: Iterable[bytes]) -> str:
    """Return what `navigator.credentials.create` is called with; keys that are `known` are not made twice."""
    options = webauthn.generate_registration_options(
        rp_id=party.host,
        rp_name=party.name,
        user_name=user.name,
        user_id=user.handle,
        user_display_name=user.shown,
        challenge=challenge,
        timeout=PATIENCE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            # Discoverable, so that it opens the door without a name being typed.
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    return webauthn.options_to_json(options)


def assertion(host: str, challenge: bytes, allowed: Iterable[bytes]) -> str:
    """Return what `navigator.credentials.get` is called with; none `allowed` means whichever the visitor has."""
    options = webauthn.generate_authentication_options(
        rp_id=host,
        challenge=challenge,
        timeout=PATIENCE,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)
