import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from ca import der


@given(st.integers(0, 1), st.integers(0, 39), st.lists(st.integers(0, 2**70), max_size=12))
def test_an_object_identifier_is_written_as_asn1crypto_writes_it(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()


@pytest.mark.parametrize("dotted", ["2.5.29.14", "2.999.3", "2.16.840.1.113733.1.9.2", "1.3.6.1.4.1.32473.1.1"])
def test_the_first_two_arcs_are_one_number(dotted: str) -> None:
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()
