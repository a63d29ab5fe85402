"""Every negative case of an enrollment protocol names the section it is written from.

A case is one set of parameters of a test in a module of refusals. Its section stands in its name, or, for a test whose cases all
come from one place, in the test's docstring.
"""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from types import FunctionType

import pytest

from tests.enrollment.protocols.sections import SECTIONS, sections_in
from tests.support.schema import ROOT

HERE = Path(__file__).parent
# Proof that what the cases spoil was good.
UNSPOILT = {"test_the_same_message_unspoilt_is_good"}
FEWEST = {"cmp": 150, "est": 55, "scep": 100, "rest": 10}
PROTOCOLS = {"RFC 9810", "RFC 9811", "RFC 9483", "RFC 7030", "RFC 8894"}


def modules() -> list[str]:
    """Name the modules of refusals."""
    files = [*HERE.glob("test_*refusals.py"), *HERE.glob("*/test_*refusals.py")]
    return sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)


def cases(module: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each case, with its parameters' names, and where its section may stand."""
    for name, test in vars(import_module(module)).items():
        if isinstance(test, FunctionType) and name.startswith("test_") and name not in UNSPOILT:
            for named in product(*(_names(mark) for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize")):
                told = " ".join(named)
                yield f"{module}::{name}[{told}]", told if any(sections_in(told)) else test.__doc__ or ""


def _names(mark: pytest.Mark) -> list[str]:
    """Return the names of a parametrisation's cases, as far as somebody gave them one."""
    values, ids = list(mark.args[1]), mark.kwargs.get("ids")
    if callable(ids):
        return [str(ids(value)) for value in values]
    given = list(ids) if ids is not None else [getattr(value, "id", None) for value in values]
    return [name if isinstance(name, str) else "" for name in given]


CASES = {module: list(cases(module)) for module in modules()}


@pytest.mark.parametrize("module", CASES)
def test_every_case_names_a_section_that_there_is(module: str) -> None:
    unnamed = [case for case, told in CASES[module] if not any(sections_in(told))]
    assert unnamed == []
    unknown = [case for case, told in CASES[module] for document, at in sections_in(told) if at not in SECTIONS.get(document, {})]
    assert unknown == []


def test_there_are_as_many_as_were_promised() -> None:
    counted = Counter(module.split(".")[-2].replace("protocols", "rest") for module, found in CASES.items() for _ in found)
    assert all(counted[protocol] >= fewest for protocol, fewest in FEWEST.items()), counted
    own = [
        case for found in CASES.values() for case, told in found if PROTOCOLS & {document for document, _ in sections_in(told)}
    ]
    assert len(own) >= 150
    assert len(set(own)) == len(own)


def test_no_section_is_listed_for_nothing() -> None:
    named = {one for found in CASES.values() for _, told in found for one in sections_in(told)}
    assert {(document, at) for document, headings in SECTIONS.items() for at in headings} - named == set()


def test_a_case_without_a_section_would_be_found() -> None:
    assert list(sections_in("a wrong nonce")) == []
    assert list(sections_in("RFC 9483 §3.5, RFC 9110 §15.5.6: two")) == [("RFC 9483", "3.5"), ("RFC 9110", "15.5.6")]
