"""What both doors with pages are made of."""

from kernel.clock import Clock
from kernel.database import Database
from server.settings import Settings
from webui.accounts import Accounts
from webui.doorway import DoorParts, DoorSettings


def door_parts(settings: Settings, database: Database, clock: Clock, name: str) -> DoorParts:
    """Return the surroundings of a door's pages."""
    chosen = DoorSettings(public_url=settings.door(name).url, help_desk=settings.help_desk)
    if settings.service_name is not None:
        chosen = DoorSettings(chosen.public_url, settings.service_name, settings.help_desk)
    return DoorParts(database, clock, Accounts(database, clock), chosen)
