"""The state diagrams in the documentation are the tables in the code."""

from pathlib import Path

import pytest

from ca.certificates import LIFECYCLE as CERTIFICATE
from enrollment.batches.records import LIFECYCLE as BATCH
from enrollment.code_sets import LIFECYCLE as CODE_SET
from enrollment.generations.states import LIFECYCLE as GENERATION
from enrollment.reissue_records import LIFECYCLE as REISSUE
from enrollment.successions import LIFECYCLE as RENEWAL
from kernel.lifecycle import Lifecycle
from registry.bulletin import BULLETIN
from registry.states import APPLICATION, TERMINAL

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.mark.parametrize(
    "lifecycle",
    [APPLICATION, TERMINAL, CODE_SET, RENEWAL, REISSUE, GENERATION, BATCH, BULLETIN, CERTIFICATE],
    ids=lambda lifecycle: lifecycle.name,
)
def test_a_diagram_shows_exactly_what_the_table_says(lifecycle: Lifecycle) -> None:  # type: ignore[type-arg]
    assert f"```mermaid\n{lifecycle.diagram()}\n```" in DOCUMENT.read_text(encoding="utf-8")
