"""Routes of the pages: a door has two hundred."""

from collections.abc import Callable
from functools import cache, partial

from werkzeug.routing import Rule


class UnhurriedRule(Rule):
    """A route whose addresses are prepared when the first of them is asked for.

    Werkzeug writes a function for each, and compiles it, when the route is made: a third of a millisecond at each start.
    """

    def _compile_builder(
        self,
        append_unknown: bool = True,  # noqa: FBT001, FBT002 (Werkzeug's own)
    ) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: Rule, **values: object) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
