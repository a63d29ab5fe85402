import unicodedata

import pytest

from webui.guessable import is_guessable

NAMES = ("hanako", "NAC001", "通関 花子", "hanako@tsukan-shoji.example.jp")


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password2026!",
        "P@$$w0rd-1225",
        "1qaz2wsx3edc",
        "qwertyuiop[]",
        "poiuytrewq12",
        "Welcome to Tokyo",
        "administrator",
        "tegata-naccs-2026",
        "NAC001-hanako-1",
        "tsukanshoji2026",
        "tanakatanaka",
        "0312345678901",
        "パスワード12345678",
        "税関の管理者パスワード",
        "christopher1",  # only its hash is listed
        "CHRISTOPHER1",
    ],
)
def test_what_everybody_tries_first_is_guessable(password: str) -> None:
    assert is_guessable(password, NAMES)


@pytest.mark.parametrize(
    "password",
    [
        "korewa-nagai-aikotoba",
        "correct horse battery staple",
        "password of a purple walrus",
        "xK3-vv9_Qm2LpZ",
        "Ue7hWc0qLr2k",
        "港の見える丘で待つ犬",
    ],
)
def test_what_has_enough_of_its_own_is_not(password: str) -> None:
    assert not is_guessable(password, NAMES)


@pytest.mark.parametrize(
    "password",
    [
        "横浜通関サービス2026",
        "横浜通関サービス株式会社",
        "nac-logistics-1958",
        "ＮＡＣ商事2026ＮＡＣ商事",
        "地方税関システム12345678",
    ],
)
def test_what_office_company_and_service_are_called_counts_as_a_name(password: str) -> None:
    called = ("横浜通関サービス株式会社", "NAC Logistics Co., Ltd.", "ＮＡＣ商事株式会社", "地方税関システム")
    normal = unicodedata.normalize("NFKC", password)
    assert is_guessable(normal, called)
    assert not is_guessable("港の見える丘で待つ犬", called)


def test_a_name_counts_only_for_its_owner() -> None:
    assert not is_guessable("marubeya-1958-x")
    assert is_guessable("marubeya-1958-x", ("x@marubeya.example.jp",))
