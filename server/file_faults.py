"""What is wrong with a file that an operator imports, told line by line."""

from collections.abc import Mapping, Sequence

from registry.csv_sheets import FileFault
from server.trouble import Trouble

# What any file of rows may have; each import adds its own.
SENTENCES: Mapping[str, str] = {
    "cells": "has %(found)s cells where the headings have %(wanted)s",
    "character": "has a character that is not taken (%(character)s)",
    "column-missing": "this column is missing",
    "column-twice": "this column stands twice",
    "column-unknown": "there is no such column (docs/offices.md, docs/billing.md)",
    "csv": "is not CSV: %(reason)s",
    "empty": "there is nothing in the file below the headings",
    "encoding": "is neither UTF-8 nor CP932",
    "required": "is required",
    "too-large": "is larger than %(most)s octets",
    "too-long": "has more than %(most)s characters",
    "unshowable": "has a character that documents can not show (%(character)s)",
}


def trouble(faults: Sequence[FileFault], sentences: Mapping[str, str]) -> Trouble:
    """Return what stops an import: all faults, and that nothing was written."""
    return Trouble("\n".join([*(_told(fault, sentences) for fault in faults), f"{len(faults)} faults; nothing was written"]))


def _told(fault: FileFault, sentences: Mapping[str, str]) -> str:
    text = sentences.get(fault.code, fault.code)
    heading = "".join(character if character.isprintable() else "?" for character in fault.column)
    column = f", {heading}" if heading else ""
    return f"line {fault.line}{column}: {text % dict(fault.facts) if fault.facts else text}"
