"""Billing as the settings have it."""

from kernel.database import Database
from registry.billing.closing import Closing
from registry.billing.prices import USUAL, Prices, read_prices
from server.settings import Settings
from server.trouble import Trouble


def prices_of(settings: Settings) -> Prices:
    """Return the prices; raises Trouble for a file that is not there or has a fault."""
    try:
        return read_prices(settings.billing_prices or USUAL)
    except (OSError, ValueError) as error:
        raise Trouble(f"billing_prices: {error}") from error


def closing_of(settings: Settings, database: Database) -> Closing:
    """Return what closes months."""
    return Closing(database, prices_of(settings), settings.billing_day)
