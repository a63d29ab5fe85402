import pytest

from kernel.errors import Refused, Unavailable, trace_of


def test_a_refusal_shows_its_code_and_its_facts_in_logs() -> None:
    refused = Refused("throttled", retry_after=30, source="portal")
    assert (refused.code, refused.facts) == ("throttled", {"retry_after": 30, "source": "portal"})
    assert str(refused) == "throttled retry_after=30 source=portal"


def test_unavailable_says_when_to_ask_again() -> None:
    assert Unavailable("database is busy").retry_after == 5
    assert Unavailable("token is away", retry_after=60).retry_after == 60


def _deep(steps: int) -> None:
    if steps:
        _deep(steps - 1)
    raise LookupError("1234567890123")


def test_a_trace_names_classes_and_functions_and_no_text() -> None:
    with pytest.raises(Unavailable) as caught:
        try:
            _deep(20)
        except LookupError as error:
            raise Unavailable("1234567890123") from error
    told = trace_of(caught.value)
    assert told.startswith(f"Unavailable from LookupError at {__name__}.test_a_trace_names_classes_and_functions_and_no_text:")
    assert "1234567890123" not in told
    with pytest.raises(LookupError) as deep:
        _deep(20)
    assert trace_of(deep.value).count("_deep:") == 7


def test_an_exception_that_was_never_raised_has_a_trace() -> None:
    assert trace_of(ValueError("x")) == "ValueError at "
