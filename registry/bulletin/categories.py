"""The kinds of notices, as data: a code, its names, and the tone in which its tag is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A kind of notice. `code` stands in addresses and in the feed."""

    code: str
    ja: str
    en: str
    tone: str = "plain"


CATEGORIES: Mapping[str, Category] = {
    category.code: category
    for category in (
        Category("maintenance", "メンテナンス", "Maintenance", "info"),
        Category("incident", "障害", "Incident", "bad"),
        Category("procedures", "手続き", "Procedures"),
        Category("software", "ソフトウェア", "Software"),
        Category("authority", "認証局", "Certificate authority", "good"),
        Category("general", "お知らせ", "General"),
    )
}
