from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment

from webui.compiled import CompiledTemplates

SOURCE = "Hello {{ name }}"


class Counting(Environment):
    """Counts what it compiles."""

    compiled = 0

    def _generate(self, *words: Any, **more: Any) -> str:  # noqa: ANN401 (Jinja's own)
        self.compiled += 1
        return super()._generate(*words, **more)


def environment(folder: Path, source: str = SOURCE, name: str = "portal-ja", circumstances: bytes = b"1") -> Counting:
    cache = CompiledTemplates(name, circumstances, folder)
    return Counting(loader=DictLoader({"x.html": source}), bytecode_cache=cache, autoescape=True)


def said(made: Environment) -> str:
    return made.get_template("x.html").render(name="you")


@pytest.fixture(autouse=True)
def writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)


def is_compiled_anew(made: Counting) -> bool:
    assert said(made) == "Hello you"
    return made.compiled > 0


def test_what_was_compiled_is_taken_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "templates"
    assert is_compiled_anew(environment(folder))
    [file] = folder.iterdir()
    assert not is_compiled_anew(environment(folder))
    # Another language, and a file that is damaged.
    assert is_compiled_anew(environment(folder, name="portal-en"))
    file.write_bytes(file.read_bytes()[:40])
    assert is_compiled_anew(environment(folder))
    assert not is_compiled_anew(environment(folder))


def test_another_source_or_other_circumstances_are_compiled_anew(tmp_path: Path) -> None:
    said(environment(tmp_path))
    assert said(environment(tmp_path, "Bye {{ name }}")) == "Bye you"
    said(environment(tmp_path))
    assert is_compiled_anew(environment(tmp_path, circumstances=b"2"))
    assert len(list(tmp_path.iterdir())) == 1


def test_without_a_place_to_write_everything_is_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert is_compiled_anew(environment(tmp_path / "file" / "templates"))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert is_compiled_anew(environment(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
