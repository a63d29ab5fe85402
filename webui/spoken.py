"""Templates that are compiled once for each language: the texts that stand in them are translated then, not on each page.

A page says a hundred texts and more, and most are the same each time. Compiled in, they are part of what stands between the
tags anyway; only those that a page finds out, and those with facts in them, are asked for as it is made.
"""

from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

from flask.sansio.app import App
from flask.templating import Environment
from jinja2 import Template
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from webui import texts
from webui.compiled import CompiledTemplates

# `_("…")`, and what stands there instead: `("…"|safe)`.
_CALL = ("name", "lparen", "string", "rparen")


class _Texts(Extension):
    """Translates the texts of a template before it is parsed."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        tokens = list(stream)
        at = 0
        while at < len(tokens):
            name, opening, text, closing = (*tokens[at : at + 4], *[None] * 4)[:4]
            if name is None or opening is None or text is None or closing is None or not self._is_text(tokens, at):
                yield tokens[at]
                at += 1
                continue
            yield from (opening, Token(text.lineno, "string", self.environment.translate(text.value)))  # type: ignore[attr-defined]
            yield from (Token(text.lineno, "pipe", "|"), Token(text.lineno, "name", "safe"), closing)
            at += 4

    def _is_text(self, tokens: list[Token], at: int) -> bool:
        found = tokens[at : at + 4]
        is_called = tuple(token.type for token in found) == _CALL and found[0].value == "_"
        # A per cent sign is written twice, and read when facts are filled in.
        return is_called and "%" not in found[2].value and (at == 0 or tokens[at - 1].type != "dot")


class SpokenEnvironment(Environment):
    """Flask's environment in Japanese, and `english` the same in English; a template comes in the language of the request."""

    english: "SpokenEnvironment | None" = None

    def __init__(self, app: App, **options: Any) -> None:  # noqa: ANN401 (as Flask hands them on)
        super().__init__(app, **options)
        self.translate: Callable[[str], str] = str
        self.add_extension(_Texts)

    def learn_english(self, catalogue: texts.Catalogue) -> None:
        """Let templates be English where a request is: from here on settings of one are settings of one language."""
        english: SpokenEnvironment = self.overlay()
        english.translate = lambda text: catalogue.singles.get(text, text)
        self.english = english

    def keep_compiled(self, name: str, catalogue: texts.Catalogue) -> None:
        """Keep compiled templates for the next process, as those of `name`; what English ones say is part of them."""
        settings = repr((self.trim_blocks, self.lstrip_blocks, sorted(self.extensions))).encode() + Path(__file__).read_bytes()
        self.bytecode_cache = CompiledTemplates(f"{name}-ja", settings)
        if self.english is not None:
            self.english.bytecode_cache = CompiledTemplates(f"{name}-en", settings + repr(catalogue).encode())

    def get_template(
        self, name: str | Template, parent: str | None = None, globals: MutableMapping[str, Any] | None = None  # noqa: A002 (Jinja's name)
    ) -> Template:  # fmt: skip
        """Return a template in the language of the request."""
        if self.english is not None and texts.language() == "en":
            return self.english.get_template(name, parent, globals)
        return super().get_template(name, parent, globals)
