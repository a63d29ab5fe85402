import stat
from pathlib import Path

from server.home import Home, secret_file, write_whole


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_closed_to_others_and_can_be_made_twice(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.make()
    home.make()
    folders = [home.path, home.keys, home.secrets, home.tls, home.published, home.logs]
    assert {mode_of(folder) for folder in folders} == {0o700}


def test_a_file_is_replaced_whole_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    write_whole(file, "old")
    write_whole(file, "新しい")
    assert file.read_text(encoding="utf-8") == "新しい"
    assert mode_of(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_is_random_and_made_once(tmp_path: Path) -> None:
    first = secret_file(tmp_path, "a")
    assert len(first) >= 43
    assert secret_file(tmp_path, "a") == first
    assert secret_file(tmp_path, "b") != first
    assert mode_of(tmp_path / "a") == 0o600
