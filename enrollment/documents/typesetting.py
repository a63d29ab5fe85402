"""Setting a document: facts and a template to PDF/A-3a and PDF/UA-1, the same octets for the same facts and instant.

Facts reach the template as JSON and never as markup, so whatever a customer typed is text. The fonts are two files of a
package whose hash is locked; the machine's own are not looked at.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pylopdf_fonts_jp
import typst

from enrollment.documents.facts import DocumentKind, Facts
from registry.typefaces import shown

TEMPLATES = Path(__file__).parent / "templates"


def typeset(facts: Facts, at: datetime) -> bytes:
    """Return a document as PDF, dated `at`, with its facts attached.

    A character that the typefaces lack, of a record from before they were asked, appears as 〓; the facts still have it.
    """
    kind = DocumentKind(facts["document"])
    inputs = {"facts": _json(_showable(facts)), "attached": _json(facts)}
    pdf = typst.compile(
        TEMPLATES / f"{kind}.typ",
        root=TEMPLATES,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs=inputs,
        # PDF/A-3a for keeping (ISO 19005-3), PDF/UA-1 for everybody's reading (ISO 14289-1).
        pdf_standards=["a-3a", "ua-1"],
        timestamp=int(at.timestamp()),
    )
    if not isinstance(pdf, bytes):
        raise TypeError(f"typst made no file of {kind}")
    return pdf


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    folders = {pylopdf_fonts_jp.serif_path().parent, pylopdf_fonts_jp.sans_path().parent}
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=sorted(folders))


def _json(facts: Facts) -> str:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)


def _showable(value: Any) -> Any:  # noqa: ANN401 (JSON)
    match value:
        case str():
            return shown(value)
        case Mapping():
            return {name: _showable(one) for name, one in value.items()}
        case Sequence():
            return [_showable(one) for one in value]
        case _:
            return value
