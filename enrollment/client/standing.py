"""What lies in a terminal's folder, and whether it is good today. Asks nobody."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from enrollment.client.chain import common_name
from enrollment.client.changeover import Changeover
from enrollment.client.folder import Folder
from enrollment.renewal_window import window_of


class Phase(StrEnum):
    """How far a folder has come. `starts_later`: the certificate is fine, its first day lies ahead."""

    NOTHING = "nothing"
    PENDING = "pending"
    STARTS_LATER = "starts_later"
    VALID = "valid"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Standing:
    """What a folder holds. Without certificate only `phase` and `folder` say something.

    `key_matches` is None when the key could not be looked at, because its passphrase was not given. The days are those
    of the window for renewal by the rule that everybody knows; the door may know better. `is_renewing` when a renewal was
    begun and not finished.
    """

    folder: Path
    phase: Phase
    terminal: str | None = None
    issuer: str | None = None
    serial: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    key_matches: bool | None = None
    first_day: date | None = None
    last_day: date | None = None
    is_renewing: bool = False
    files: tuple[Path, ...] = ()


def status(folder: Path, *, now: datetime, passphrase: bytes | None = None) -> Standing:
    """Return what is in a folder.

    Raises Refused("certificate-unreadable"), Refused("passphrase-wrong"), and for PKCS#12 Refused("passphrase-needed").
    """
    place = Folder(folder, passphrase)
    held = place.holding()
    if held is None:
        return Standing(folder, Phase.PENDING if place.is_pending() else Phase.NOTHING)
    certificate = held.certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    window = window_of(end)
    phase = Phase.STARTS_LATER if now < begin else Phase.EXPIRED if now > end else Phase.VALID
    return Standing(
        folder=folder,
        phase=phase,
        terminal=common_name(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=begin,
        not_after=end,
        key_matches=held.key_matches,
        first_day=window.first_day,
        last_day=window.last_day,
        is_renewing=Changeover(place).is_under_way(),
        files=held.files,
    )
