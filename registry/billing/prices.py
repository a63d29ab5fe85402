"""What things cost, and the consumption tax: data, with the day from which each counts (`prices.toml`, or the operator's)."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from registry.billing.months import Month

USUAL = Path(__file__).with_name("prices.toml")
_MOST_PERCENT = 100


class Item(StrEnum):
    """What a line of a bill is for."""

    TERMINAL = "terminal"
    STATISTICS = "statistics"
    STORAGE = "storage"
    USAGE = "usage"


PRICED = (Item.TERMINAL, Item.STATISTICS, Item.STORAGE)


@dataclass(frozen=True)
class Prices:
    """Prices by item, and rates of tax, each with its first day, oldest first."""

    prices: Mapping[Item, tuple[tuple[date, int], ...]]
    tax: tuple[tuple[date, int], ...]

    def yen(self, item: Item, month: Month) -> int:
        """Return an item's price in a month; raises LookupError before there was one."""
        return _in_force(self.prices[item], month.first, item)

    def tax_percent(self, month: Month) -> int:
        """Return the rate of the month's last day; raises LookupError before there was one."""
        return _in_force(self.tax, month.last, "tax")


def read_prices(path: Path = USUAL) -> Prices:
    """Read a file of prices; raises ValueError with what is wrong in it."""
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = [(Item(row["item"]), row["from"], row["yen"]) for row in read["price"]]
        tax = [(row["from"], row["percent"]) for row in read["tax"]]
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path}: {type(error).__name__} {error}"
        raise ValueError(message) from error
    prices = {item: _ordered(path, item, ((day, yen) for of, day, yen in rows if of is item)) for item in PRICED}
    if any(day.day != 1 for begins in prices.values() for day, _ in begins):
        message = f"{path}: a price counts from the first day of a month on"
        raise ValueError(message)
    return Prices(prices, _ordered(path, "tax", tax, most=_MOST_PERCENT))


def _ordered(path: Path, what: str, found: Iterable[tuple[Any, Any]], most: int = 10_000_000) -> tuple[tuple[date, int], ...]:
    rows = list(found)
    if not rows or not all(type(day) is date and type(value) is int and 0 <= value <= most for day, value in rows):
        message = f"{path}: {what} needs lines with a day in `from` and a number up to {most}"
        raise ValueError(message)
    if len({day for day, _ in rows}) != len(rows):
        message = f"{path}: {what} stands twice from the same day on"
        raise ValueError(message)
    return tuple(sorted(rows))


def _in_force(begins: tuple[tuple[date, int], ...], day: date, what: str) -> int:
    found = [value for begin, value in begins if begin <= day]
    if not found:
        message = f"no {what} on {day}"
        raise LookupError(message)
    return found[-1]
