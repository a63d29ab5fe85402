from kernel.errors import Refused, Unavailable


def test_a_refusal_shows_its_code_and_its_facts_in_logs() -> None:
    refused = Refused("throttled", retry_after=30, source="portal")
    assert (refused.code, refused.facts) == ("throttled", {"retry_after": 30, "source": "portal"})
    assert str(refused) == "throttled retry_after=30 source=portal"


def test_unavailable_says_when_to_ask_again() -> None:
    assert Unavailable("database is busy").retry_after == 5
    assert Unavailable("token is away", retry_after=60).retry_after == 60
