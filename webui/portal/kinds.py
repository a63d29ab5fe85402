"""Which kind of application the present page belongs to: its address says so, `/apply/items` being a change of contract.

A correction of an application goes through the same pages, below `/apply/corrections/<receipt number>`.
"""

from collections.abc import Mapping
from typing import Any

import flask

from registry import applications
from registry.drafts import Kind
from registry.states import ApplicationState
from webui.doorway import doorway
from webui.portal.parts import office_code
from webui.texts import gettext, mark, say

NAMES: Mapping[Kind, str] = {
    Kind.CONTRACT_CHANGE: mark("変更申込"),
    Kind.SYSTEM_SETTINGS: mark("システム設定の申込"),
    Kind.BROKER_IDS: mark("通関士IDの申込"),
}
_USUAL = Kind.CONTRACT_CHANGE.value
# In place of a kind in the addresses of corrections, whose kind is their application's.
_CORRECTION = "correction"
_OTHERS = ", ".join(kind.value for kind in Kind if kind is not Kind.CONTRACT_CHANGE)


def kind() -> Kind:
    """Return the kind that the present page's address names; 404 for the correction of an application that is not there."""
    if correcting() and flask.g.get("kind") == _CORRECTION:
        flask.g.kind = _corrected().kind.value
    return Kind(flask.g.get("kind", _USUAL))


def correcting() -> str:
    """Return the receipt number of the application that the present page corrects; empty for a new application."""
    return str(flask.g.get("correcting", ""))


def is_open() -> bool:
    """Return whether what the present page makes can still be sent: a correction only while its application has a question."""
    return not correcting() or _corrected().state is ApplicationState.QUERIED


def kind_name() -> str:
    """Return how applications of the present kind are called."""
    if correcting():
        return say(mark("申込%(number)sの修正"), number=correcting())
    return gettext(NAMES[kind()])


class KindBlueprint(flask.Blueprint):
    """Pages that there are once for each kind of application. Their views ask `kind()`; links stay within the kind."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name, url_prefix="/apply")
        self.url_value_preprocessor(_take)
        self.url_defaults(_give)

    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 (Flask's own types)
        """Add a page once under `/apply`, once for the other kinds, and once for corrections."""
        super().add_url_rule(rule, *arguments, **options, defaults={"kind": _USUAL})
        super().add_url_rule(f"/<any({_OTHERS}):kind>{rule}", *arguments, **options)
        corrections = f"/corrections/<string(length=7):correcting>{rule}"
        super().add_url_rule(corrections, *arguments, **options, defaults={"kind": _CORRECTION})


def _take(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    found = {} if values is None else values
    flask.g.kind, flask.g.correcting = found.pop("kind", _USUAL), found.pop("correcting", "")


def _give(_endpoint: str, values: dict[str, Any]) -> None:
    if correcting() and "kind" not in values:
        values.setdefault("correcting", correcting())
    values.setdefault("kind", _CORRECTION if "correcting" in values else flask.g.get("kind", _USUAL))


def _corrected() -> applications.Application:
    with doorway().parts.database.snapshot() as session:
        found = applications.find(session, correcting())
    if found is None or found.office_code != office_code():
        flask.abort(404)
    return found
