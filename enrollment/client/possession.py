"""Key and certificate of a folder, as something that a door may be shown."""

from dataclasses import dataclass

from enrollment.client.connection import Identity
from enrollment.client.folder import Folder, Holding
from kernel.errors import Refused


@dataclass(frozen=True)
class Possession:
    """A folder's content with its key."""

    held: Holding
    identity: Identity


def possession_of(place: Folder) -> Possession:
    """Return what a folder holds when it can be shown to a door.

    Raises Refused("no-certificate"), "no-key", "passphrase-needed", "certificate-of-another-key", and as `Folder.holding`.
    """
    held = place.holding()
    if held is None:
        raise Refused("no-certificate", path=str(place.path))
    if held.key is None:
        raise Refused("no-key" if held.key_matches is False else "passphrase-needed", path=str(place.path))
    if not held.key_matches:
        raise Refused("certificate-of-another-key")
    return Possession(held, Identity(held.key, (held.certificate, *held.chain)))
