"""What schemathesis can not know of itself: a certification request, codes that are right, who presents a certificate.

It loads this by SCHEMATHESIS_HOOKS; TEGATA_TEST_KNOWN names a file of JSON: `codes` to be redeemed, and `certificates`, pairs
of a certificate's and a key's file, of terminals in all states. How often each operation was answered by which status is
written beside it.
"""

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.support.house import new_request

KNOWN: dict[str, list[Any]] = json.loads(Path(os.environ["TEGATA_TEST_KNOWN"]).read_text(encoding="utf-8"))
_codes = itertools.cycle(KNOWN["codes"])
_certificates = itertools.cycle([*map(tuple, KNOWN["certificates"]), None])
_calls = itertools.count()
_answered: Counter[str] = Counter()
TALLY = Path(os.environ["TEGATA_TEST_KNOWN"]).with_suffix(".tally")


def _pkcs10() -> st.SearchStrategy[str]:
    return st.integers(0, 1 << 30).map(lambda _: new_request().pem.decode())


def _printable() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" \r\n"), max_size=100)


schemathesis.openapi.format("pkcs10", _pkcs10())
schemathesis.openapi.format("printable", _printable())


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]) -> None:
    """Let every other good retrieval know codes, and somebody else present a certificate each time."""
    generation = case.meta.generation.mode if case.meta else None
    known = next(_calls) % 2 and generation == schemathesis.GenerationMode.POSITIVE
    if known and KNOWN["codes"] and isinstance(case.body, dict) and "auth_code_1" in case.body:
        case.body = {**case.body, **next(_codes)}
    if KNOWN["certificates"]:
        kwargs["cert"] = next(_certificates)


@schemathesis.hook
def after_call(_context: schemathesis.HookContext, case: "schemathesis.Case[Any]", response: schemathesis.Response) -> None:
    """Keep the tally."""
    _answered[f"{case.operation.label} {response.status_code}"] += 1
    TALLY.write_text(json.dumps(_answered), encoding="utf-8")
