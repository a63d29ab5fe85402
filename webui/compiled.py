"""Compiled templates, kept in files beside Python's own compiled code and under the same conditions: the next process takes them.

Where the folder can not be written, which is as it should be where tegata serves in earnest, each process compiles for itself.
"""

import hashlib
import importlib.util
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

# Python's own folder for compiled code of this one, wherever it was told to put that.
FOLDER = Path(importlib.util.cache_from_source(__file__)).parent / "templates"


class CompiledTemplates(BytecodeCache):
    """The compiled templates of one environment; `circumstances` are what their code depends on besides their sources."""

    def __init__(self, name: str, circumstances: bytes, folder: Path = FOLDER) -> None:
        self._name, self._folder = name, folder
        self._circumstances = hashlib.sha256(jinja2.__version__.encode() + circumstances).digest()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return the name of a template's file."""
        return hashlib.sha256(f"{self._name}\0{name}\0{filename}".encode()).hexdigest()[:32]

    def get_source_checksum(self, source: str) -> str:
        """Return what the code was compiled of."""
        return hashlib.sha256(self._circumstances + source.encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take the code from its file, if it is there and of this source."""
        # Whatever is wrong with a file: it is written anew.
        with suppress(Exception), (self._folder / bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the code into its file, whole or not at all."""
        if sys.dont_write_bytecode:
            return
        draft = self._folder / f"{bucket.key}.{secrets.token_hex(4)}"
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                draft.write_bytes(bucket.bytecode_to_string())
                draft.replace(self._folder / bucket.key)
            finally:
                draft.unlink(missing_ok=True)
