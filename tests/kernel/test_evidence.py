"""Receipts, checkpoints and consistency proofs in other hands: judged by our own code and by the script, as one."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kernel import audit
from kernel.audit import NoteError, ProofError, Proven, VerifierKey
from tests.support.log_scripts import FROM_TILES, VERIFY, Told, told
from tests.support.reference_log import ReferenceLog

LOG = ReferenceLog()
# The same key and name, and another log from its 100th entry on.
FORK = ReferenceLog(key=LOG.key, forks_at=100)
STRANGER = ReferenceLog()
SIZES = st.one_of(st.integers(1, 40), st.integers(250, 260), st.integers(500, 1100))
EDGES = sorted({power + beside for power in (1, 2, 4, 8, 64, 256, 512, 1024) for beside in (-1, 0, 1)} - {0})

Judge = Callable[..., Told]


def proven(*texts: str, vkey: str = LOG.vkey) -> Proven:
    key = VerifierKey.parse(vkey)
    return audit.prove(texts, Ed25519PublicKey.from_public_bytes(key.public_key).verify, key)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Return what puts texts into files and asks the script about them."""
    folder = tmp_path_factory.mktemp("files")

    def judged(*texts: str, vkey: str = LOG.vkey) -> Told:
        files = [folder / str(number) for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8")
        return told(VERIFY, vkey, *files)

    return judged


def are_refused(script: Judge, *texts: str, vkey: str = LOG.vkey) -> bool:
    """Return whether files are refused, of which script and code must say the same."""
    try:
        proven(*texts, vkey=vkey)
    except (NoteError, ProofError):
        refused = True
    else:
        refused = False
    said = script(*texts, vkey=vkey)
    assert (said.status, said.err.startswith("BAD: "), "good: " in said.out) == (
        (1, True, False) if refused else (0, False, True)
    )
    return refused


@pytest.mark.parametrize("program", [VERIFY, FROM_TILES])
def test_a_script_has_at_most_60_lines_and_no_code_of_ours(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 60
    assert max(len(line) for line in lines) <= 130
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imported if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "cryptography"}
    assert not {"exec", "eval", "__import__", "importlib", "subprocess"} & set(text.replace("(", " ").split())


def test_the_script_is_a_program_that_needs_no_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(LOG.receipt(4, 9), encoding="utf-8")
    (tmp_path / "grown").write_text(LOG.consistency(9, 20), encoding="utf-8")
    command = [sys.executable, "-I", str(VERIFY), LOG.vkey, "receipt.json", "grown"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("entry 4 of 9: [")
    assert done.stdout.splitlines()[1] == "good: the log log.example.jp of 20 entries"
    (tmp_path / "grown").write_text("old 9\n", encoding="utf-8")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert (done.returncode, done.stderr[:5]) == (1, "BAD: ")
    done = subprocess.run(command[:4], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert (done.returncode, done.stdout) == (1, "")
    assert "VKEY FILE" in done.stderr


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(SIZES, min_size=2, max_size=4, unique=True).map(sorted), choice=st.data())
def test_a_receipt_and_proofs_of_all_that_came_after_are_proven(script: Judge, sizes: list[int], choice: st.DataObject) -> None:
    index = choice.draw(st.integers(0, sizes[0] - 1))
    steps = [LOG.consistency(old, new) for old, new in pairwise(sizes)]
    texts = [LOG.receipt(index, sizes[0]), *steps, LOG.note(sizes[-1])]
    assert not are_refused(script, *texts)
    found = proven(*reversed(texts))
    assert (found.newest.size, [head.size for head in found.older]) == (sizes[-1], sizes[:-1])
    [(receipt, checkpoint)] = found.receipts
    assert (receipt.index, receipt.content.subject, checkpoint.size) == (index, f"terminal:{index:05}W", sizes[0])


@pytest.mark.parametrize("size", EDGES)
def test_every_size_around_a_power_of_two_grows_into_every_other(script: Judge, size: int) -> None:
    for old in EDGES:
        if old < size:
            assert not are_refused(script, LOG.note(old), LOG.consistency(old, size))
            assert are_refused(script, LOG.note(old), LOG.note(size))
    assert not are_refused(script, LOG.receipt(size - 1, size))


@settings(max_examples=40, deadline=None)
@given(old=SIZES, size=SIZES, choice=st.data())
def test_a_proof_with_a_line_changed_lost_doubled_or_moved_proves_nothing(
    script: Judge, old: int, size: int, choice: st.DataObject
) -> None:
    assume(old < size)
    lines = LOG.consistency(old, size).split("\n")
    first, last = 1, lines.index("") - 1
    assume(first < last)
    at = choice.draw(st.integers(first, last))
    other = choice.draw(st.integers(first, last).filter(lambda place: place != at))
    moved = [*lines]
    moved[at], moved[other] = moved[other], moved[at]
    wrong = [
        [*lines[:at], *lines[at + 1 :]],
        [*lines[:at], lines[at], *lines[at:]],
        [*lines[:at], ("B" if lines[at][0] == "A" else "A") + lines[at][1:], *lines[at + 1 :]],
        [*lines[:at], lines[at][:-4], *lines[at + 1 :]],
        [f"old {old - 1}", *lines[1:]],
        moved,
    ]
    for changed in wrong:
        assert are_refused(script, LOG.note(old), "\n".join(changed))


@settings(max_examples=40, deadline=None)
@given(size=SIZES, choice=st.data())
def test_a_receipt_for_another_entry_place_or_size_proves_nothing(script: Judge, size: int, choice: st.DataObject) -> None:
    index = choice.draw(st.integers(0, size - 1))
    receipt = json.loads(LOG.receipt(index, size))
    for name, forged in (("facts", {}), ("actor", "staff:ito"), ("office_code", "NAC001")):
        assert are_refused(script, json.dumps(receipt | {"entry": receipt["entry"] | {name: forged}}))
    for place in {0, index - 1, index + 1, size, size - 1} - {index}:
        moved = receipt["proof"].replace(f"index {index}\n", f"index {place}\n")
        assert are_refused(script, json.dumps(receipt | {"proof": moved}))
    proof = receipt["proof"].split("\n\n", 1)[0]
    assert are_refused(script, json.dumps(receipt | {"proof": f"{proof}\n\n{LOG.note(size + 1)}"}))


def test_what_another_key_signed_counts_for_nothing(script: Judge) -> None:
    assert not are_refused(script, STRANGER.note(5), STRANGER.consistency(5, 9), vkey=STRANGER.vkey)
    for texts in ([STRANGER.note(5), LOG.consistency(5, 9)], [LOG.note(5), STRANGER.consistency(5, 9)], [STRANGER.receipt(1, 5)]):
        assert are_refused(script, *texts)
    assert "BAD: " in script(STRANGER.note(5)).err


def test_a_signature_counts_for_its_own_text_only(script: Judge) -> None:
    note = LOG.note(9)
    signature = note.rpartition(" ")[2]
    changed = signature[:20] + ("B" if signature[20] == "A" else "A") + signature[21:]
    for forged in (
        note.replace(signature, changed),
        note.replace("\n9\n", "\n8\n"),
        LOG.note(8).rpartition("— ")[0] + "— " + note.rpartition("— ")[2],
    ):
        assert are_refused(script, forged)


def test_lines_of_witnesses_and_of_other_keys_of_that_name_are_passed_over(script: Judge) -> None:
    text, _, ours = LOG.note(5).rpartition("\n\n")
    witness = ReferenceLog(name="witness.example.jp").signed(f"{text}\n").rpartition("\n\n")[2]
    theirs = STRANGER.signed(f"{text}\n").rpartition("\n\n")[2]
    assert not are_refused(script, f"{text}\n\n{witness}{theirs}{ours}", LOG.consistency(5, 9))
    assert are_refused(script, f"{text}\n\n{witness}{theirs}")


def test_what_the_key_signed_for_another_log_counts_for_nothing(script: Judge) -> None:
    other = ReferenceLog(name="log.example.jp/2", key=LOG.key)
    assert are_refused(script, other.note(5))
    assert are_refused(script, LOG.note(5), other.consistency(5, 9))
    # A note of ours under whose text the key once signed, with the other name in it.
    text = other.note(5).partition("\n\n")[0] + "\n"
    assert are_refused(script, LOG.signed(text))


def test_a_fork_is_convicted_by_two_checkpoints_of_one_size(script: Judge) -> None:
    assert not are_refused(script, LOG.note(100), FORK.note(100))
    assert are_refused(script, LOG.note(101), FORK.note(101))
    with pytest.raises(ProofError, match="they convict the log"):
        proven(LOG.note(101), FORK.note(101))


def test_a_fork_has_no_proof_and_two_that_grew_from_the_same_are_not_taken_for_one(script: Judge) -> None:
    assert are_refused(script, LOG.note(150), FORK.consistency(150, 200))
    assert are_refused(script, LOG.note(90), LOG.consistency(90, 150), FORK.consistency(90, 200))
    with pytest.raises(ProofError, match="leads from the checkpoint of 150 entries to a newer one"):
        proven(LOG.note(90), LOG.consistency(90, 150), FORK.consistency(90, 200))


def test_a_log_that_signs_for_another_number_of_entries_than_it_has_is_found_out(script: Judge) -> None:
    """Heads whose hashes fit, but not to the size that they state."""
    three = LOG.signed(LOG.note(4).partition("\n\n")[0].replace("\n4\n", "\n3\n") + "\n")
    assert are_refused(script, three, LOG.consistency(4, 8))
    assert are_refused(script, three, LOG.consistency(4, 8).replace("old 4", "old 3"))
    one = LOG.signed(LOG.note(2).partition("\n\n")[0].replace("\n2\n", "\n1\n") + "\n")
    receipt = json.loads(LOG.receipt(1, 2))
    proof = receipt["proof"].partition("\n\n")[0]
    assert are_refused(script, json.dumps(receipt | {"proof": f"{proof}\n\n{one}"}))


def test_older_and_newer_are_not_to_be_exchanged(script: Judge) -> None:
    swapped = LOG.consistency(5, 9).replace("old 5\n", "old 9\n").partition("\n\n")[0] + "\n\n" + LOG.note(5)
    assert are_refused(script, LOG.note(9), swapped)
    assert are_refused(script, LOG.note(5), LOG.note(9), swapped)
    assert are_refused(script, LOG.note(9), LOG.consistency(5, 9))
    # The script wants its files in the log's order; our own code finds it.
    assert script(LOG.consistency(5, 9), LOG.note(5)).status == 1
    assert proven(LOG.consistency(5, 9), LOG.note(5)).newest.size == 9


@pytest.mark.parametrize("size", [1, 2, 5, 256])
def test_a_log_of_the_same_size_is_itself(script: Judge, size: int) -> None:
    same = f"old {size}\n\n{LOG.note(size)}"
    assert LOG.consistency(size, size) == same
    assert not are_refused(script, LOG.note(size), same)
    assert not are_refused(script, LOG.receipt(0, size), same, LOG.receipt(size - 1, size))
    assert are_refused(script, LOG.note(size), same, LOG.note(300))


def test_an_empty_log_proves_nothing(script: Judge) -> None:
    nothing = LOG.signed("log.example.jp\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
    assert are_refused(script, nothing, f"old 0\n\n{LOG.note(5)}")
    assert are_refused(script, LOG.receipt(0, 1).replace("log.example.jp\\n1\\n", "log.example.jp\\n0\\n"))
    with pytest.raises(ProofError, match="nothing to check"):
        proven()


@pytest.mark.parametrize("old", ["", "-1", "+5", "05", "5 ", "５", "5.0", "4", "6", "99999999999999999999"])
def test_an_older_size_that_is_not_one_is_refused(old: str) -> None:
    with pytest.raises(ProofError):
        proven(LOG.note(5), LOG.consistency(5, 9).replace("old 5\n", f"old {old}\n"))


@pytest.mark.parametrize("text", ["", "{}", "[]", "old", "old 5", "old 5\n", "old 5\n\n", "x\n\ny", "\n\n", "old 5\n\n\n\n"])
def test_what_is_none_of_the_files_is_refused(script: Judge, text: str) -> None:
    assert are_refused(script, text)
    assert are_refused(script, LOG.note(5), text)
