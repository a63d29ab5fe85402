"""Routes that are compiled once in a process: each test makes its own two apps, with the same few hundred routes each time.

What werkzeug makes of a route to build its addresses depends on the route alone, and costs more than all else of an app.
"""

from collections.abc import Callable

from werkzeug.routing import Rule

_compiled: dict[object, Callable[..., tuple[str, str]]] = {}
_compile = Rule._compile_builder  # noqa: SLF001 (there is no public place to keep what it makes)


def keep_compiled_routes() -> None:
    """Let all apps of this process share the builders of equal routes."""

    def remembered(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002 (its signature)
        key = (append_unknown, tuple(rule._trace), repr(rule.defaults))  # noqa: SLF001 (as above)
        if key not in _compiled:
            _compiled[key] = _compile(rule, append_unknown)
        return _compiled[key]

    Rule._compile_builder = remembered  # type: ignore[method-assign, assignment]  # noqa: SLF001 (as above)
