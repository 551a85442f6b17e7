"""Keytab files: what is read is what was written, and a hole is no key."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import LabError
from harness.lab import keytab
from harness.lab.keytab import Entry

NAMES = st.text(st.characters(exclude_characters="@/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
PRINCIPALS = st.builds(lambda name, realm: f"{'/'.join(name)}@{realm}", st.lists(NAMES, min_size=1, max_size=3), NAMES)
ENTRIES = st.builds(Entry, PRINCIPALS, st.binary(min_size=11, max_size=60))


@given(st.lists(ENTRIES))
def test_what_was_written_is_read_again(entries: list[Entry]) -> None:
    assert keytab.parse(keytab.serialise(entries)) == entries


@given(ENTRIES, PRINCIPALS)
def test_a_renamed_entry_keeps_its_key(entry: Entry, principal: str) -> None:
    (found,) = keytab.parse(keytab.serialise([entry.renamed(principal)]))
    assert (found.principal, found.rest, found.enctype) == (principal, entry.rest, entry.enctype)


@given(st.lists(ENTRIES, min_size=1), st.binary(min_size=1, max_size=30))
def test_the_hole_of_a_deleted_entry_is_passed_over(entries: list[Entry], hole: bytes) -> None:
    written = keytab.serialise(entries)
    assert keytab.parse(written[:2] + struct.pack(">i", -len(hole)) + hole + written[2:]) == entries


def test_another_format_is_refused() -> None:
    with pytest.raises(LabError, match="0x502"):
        keytab.parse(b"\x05\x01")
