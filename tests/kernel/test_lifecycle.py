from enum import StrEnum

import pytest

from kernel.errors import Refused
from kernel.lifecycle import Lifecycle


class Lamp(StrEnum):
    DARK = "dark"
    LIT = "lit"
    BROKEN = "broken"


class Deed(StrEnum):
    SWITCH = "switch"
    DROP = "drop"


LAMP = Lifecycle[Lamp, Deed](
    "lamp",
    Lamp.DARK,
    {
        (Lamp.DARK, Deed.SWITCH): Lamp.LIT,
        (Lamp.LIT, Deed.SWITCH): Lamp.DARK,
        (Lamp.LIT, Deed.DROP): Lamp.BROKEN,
    },
)


def test_a_step_of_the_table_leads_to_the_next_state() -> None:
    assert LAMP.step(Lamp.DARK, Deed.SWITCH) is Lamp.LIT
    assert LAMP.allows(Lamp.LIT, Deed.DROP)


def test_a_step_that_is_not_in_the_table_is_refused_with_state_and_event() -> None:
    assert not LAMP.allows(Lamp.BROKEN, Deed.SWITCH)
    with pytest.raises(Refused) as caught:
        LAMP.step(Lamp.BROKEN, Deed.SWITCH)
    assert (caught.value.code, caught.value.facts) == ("lamp-state", {"state": "broken", "event": "switch"})


def test_the_diagram_shows_the_initial_state_and_every_step() -> None:
    assert LAMP.diagram().splitlines() == [
        "stateDiagram-v2",
        "    [*] --> dark",
        "    dark --> lit: switch",
        "    lit --> dark: switch",
        "    lit --> broken: drop",
    ]
