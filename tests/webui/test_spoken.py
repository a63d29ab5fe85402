"""Texts that stand in templates are there in both languages before a page is made, and say what they said."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import flask
import pytest
from jinja2 import DictLoader

from tests.webui.conftest import Doors
from webui import texts
from webui.spoken import SpokenEnvironment
from webui.texts import Catalogue, Language

CATALOGUE = Catalogue(
    {"証明書": "Certificate", "<b>新規</b>": "<b>New</b>", "%(count)s台": "%(count)s of them", "50%%": "half"}, {}
)
LAYOUT = "<title>{% block title %}{% endblock %}</title>"
SHARED = """{% macro head(text) %}<h1>{{ text }}: {{ _("証明書") }}</h1>{% endmacro %}"""
PAGE = """{% extends "layout.html" %}{% import "shared.html" as shared %}
{% block title %}{{ _("証明書") }}|{{ _('<b>新規</b>') }}|{{ _("%(count)s台", count="<2>") }}|{{ _("50%%") }}|{{ _(word) }}|
{{ _("ない") }}|{% for one in [_("証明書"), word] %}{{ one }},{% endfor %}|{{ shared.head(_("<b>新規</b>")) }}|
{{- "" }}<i title="{{ _("証明書") }}"></i>
{{- thing._("証明書") }}|{{ _("証" "明書") }}{% endblock %}"""


class Thing:
    """Has a name of its own that is no text."""

    def _(self, text: str) -> str:
        return f"<{text}>"


@pytest.fixture
def app() -> flask.Flask:
    made = flask.Flask("spoken")
    made.jinja_environment = SpokenEnvironment
    made.extensions["webui-catalogue"] = CATALOGUE
    environment = cast("SpokenEnvironment", made.jinja_env)
    environment.loader = DictLoader({"layout.html": LAYOUT, "shared.html": SHARED, "page.html": PAGE})
    environment.globals["_"] = texts.html
    environment.learn_english(CATALOGUE)
    return made


@contextmanager
def speaking(app: flask.Flask, language: Language) -> Iterator[None]:
    with app.test_request_context("/"):
        flask.g.language = language
        yield


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_page_says_what_it_would_say_if_each_text_were_asked_for(app: flask.Flask, language: Language) -> None:
    with speaking(app, language):
        said = flask.render_template("page.html", word="証明書", thing=Thing())
        one, new, count, half = (texts.html(text) for text in ("証明書", "<b>新規</b>", "ない", "50%%"))
        many = texts.html("%(count)s台", count="<2>")
        assert said == (
            f"<title>{one}|{new}|{many}|{half}|{one}|\n{count}|{one},証明書,|<h1>{new}: {one}</h1>"
            f'|<i title="{one}"></i>&lt;証明書&gt;|{one}</title>'
        )


def test_languages_take_turns(app: flask.Flask) -> None:
    said = []
    for language in (*texts.LANGUAGES, *texts.LANGUAGES):
        with speaking(app, language):
            said.append(flask.render_template("page.html", word="証明書", thing=Thing()))
    assert said[0] == said[2] != said[1] == said[3]


def test_on_a_page_no_text_that_stands_in_a_template_is_asked_for(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def heard(text: str, /, **facts: object) -> str:
        if not facts:
            asked.append(text)
        return texts.html(text, **facts)

    monkeypatch.setitem(doors.portal.jinja_env.globals, "_", heard)
    page = doors.customer().get("/certificates/").text
    assert "証明書の有効期限" in page
    assert "証明書の有効期限" not in asked
    # What the bar on top has, and the choices: they are in the code.
    assert {"証明書", "申込実施"} < set(asked)


def test_what_a_door_is_equipped_with_later_english_pages_have_too(doors: Doors) -> None:
    environment = cast("SpokenEnvironment", doors.portal.jinja_env)
    assert environment.english
    assert environment.english.globals is environment.globals
    assert environment.english.filters is environment.filters
    assert (environment.english.loader, environment.english.undefined) == (environment.loader, environment.undefined)
