"""A refusal's sentences say since when and by which rule, as far as that is known."""

from enrollment.protocols.problems import tell


def test_a_suspension_names_day_and_rule() -> None:
    told = tell("terminal-suspended", {"terminal": "99999W", "since": "2027-02-16", "rule": 1})
    cause = "利用開始日から2か月以内に証明書が取得されなかったため"
    assert told.japanese.startswith(f"この端末は2027-02-16から利用停止中です({cause})。")
    assert told.english.startswith("The terminal is suspended (since 2027-02-16): no certificate was retrieved")


def test_a_suspension_by_staff_names_the_day_and_a_hold_nothing() -> None:
    assert tell("A0014", {"since": "2027-02-16"}).english == "The terminal is suspended (since 2027-02-16). Call the help desk."
    assert tell("A0014").japanese == "利用停止中のためログオンできません。ヘルプデスクへご連絡ください。"
    assert tell("A0014").english == "The terminal is suspended. Call the help desk."
