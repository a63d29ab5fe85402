"""Files of customers as a process needs them: rows in the database, contents in the home."""

from kernel.clock import Clock
from kernel.database import Database
from registry.attachments import Attachments, Limits, Store
from server.settings import Settings
from server.wiring import home_of

MEGABYTE = 1024 * 1024


def attachments_of(settings: Settings, database: Database, clock: Clock) -> Attachments:
    """Return the use cases of attachments within the limits that are set."""
    limits = Limits(settings.attachments_most, settings.attachment_megabytes * MEGABYTE)
    return Attachments(database, clock, Store(home_of(settings).attachments), limits)
