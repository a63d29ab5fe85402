"""Routes that are compiled once in a process: each test makes its own two apps, with the same few hundred routes each time.

What werkzeug makes of a route depends on the route alone, and costs more than all else of an app.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart


@dataclass(frozen=True)
class Compiled:
    """What a route becomes: what it matches, and what writes its addresses."""

    parts: list[RulePart]
    trace: list[tuple[bool, str]]
    converters: dict[str, Any]
    arguments: frozenset[str]
    build: Callable[..., tuple[str, str]]
    build_unknown: Callable[..., tuple[str, str]]

    def give(self, rule: Rule) -> None:
        """Let a rule be what an equal one became."""
        rule._parts, rule._trace, rule._converters = self.parts, self.trace, self.converters  # noqa: SLF001 (there is no public place)
        rule.arguments |= self.arguments
        rule._build = MethodType(self.build, rule)  # noqa: SLF001 (as above)
        rule._build_unknown = MethodType(self.build_unknown, rule)  # noqa: SLF001 (as above)


_compiled: dict[object, Compiled] = {}
_compile = Rule.compile


def keep_compiled_routes() -> None:
    """Let all apps of this process share what equal routes become."""

    def remembered(rule: Rule) -> None:
        converters = tuple(rule.map.converters.items())
        key = (type(rule), rule.rule, rule.subdomain, rule.host, rule.merge_slashes, repr(rule.defaults), converters)
        if key in _compiled:
            _compiled[key].give(rule)
            return
        _compile(rule)
        build, unknown = rule._build.__func__, rule._build_unknown.__func__  # type: ignore[attr-defined]  # noqa: SLF001 (as above)
        _compiled[key] = Compiled(rule._parts, rule._trace, rule._converters, frozenset(rule.arguments), build, unknown)  # noqa: SLF001 (as above)

    Rule.compile = remembered  # type: ignore[method-assign, assignment]
