"""Which kind of application the present page belongs to: its address says so, `/apply/items` being a change of contract."""

from collections.abc import Mapping
from typing import Any

import flask

from registry.drafts import Kind
from webui.texts import gettext, mark

NAMES: Mapping[Kind, str] = {
    Kind.CONTRACT_CHANGE: mark("変更申込"),
    Kind.SYSTEM_SETTINGS: mark("システム設定の申込"),
    Kind.BROKER_IDS: mark("通関士IDの申込"),
}
_USUAL = Kind.CONTRACT_CHANGE.value
_OTHERS = ", ".join(kind.value for kind in Kind if kind is not Kind.CONTRACT_CHANGE)


def kind() -> Kind:
    """Return the kind that the present page's address names."""
    return Kind(flask.g.get("kind", _USUAL))


def kind_name() -> str:
    """Return how applications of the present kind are called."""
    return gettext(NAMES[kind()])


class KindBlueprint(flask.Blueprint):
    """Pages that there are once for each kind of application. Their views ask `kind()`; links stay within the kind."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name, url_prefix="/apply")
        self.url_value_preprocessor(_take)
        self.url_defaults(_give)

    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (Flask's own types)
        """Add a page once under `/apply` and once for the other kinds."""
        super().add_url_rule(rule, *arguments, **options, defaults={"kind": _USUAL})
        super().add_url_rule(f"/<any({_OTHERS}):kind>{rule}", *arguments, **options)


def _take(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    flask.g.kind = (values or {}).pop("kind", _USUAL)


def _give(_endpoint: str, values: dict[str, Any]) -> None:
    values.setdefault("kind", flask.g.get("kind", _USUAL))
