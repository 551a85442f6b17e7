"""Whatever is done to a file, it loads or is refused with a place for every problem."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.config.load import load_policy, load_scenario, load_targets
from harness.errors import ConfigError
from tests.helpers.documents import CANARY, POLICY, SCENARIO, TARGETS

KINDS: dict[str, tuple[Callable[[Path], BaseModel], str]] = {
    "scenario": (load_scenario, SCENARIO),
    "targets": (load_targets, TARGETS),
    "policy": (load_policy, POLICY),
}
MANY = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "[key]", "constant", "ramp", "credentials", "1e9", "~", "<<", "=", "0x1F", "a\nb", "\u2028"]),
    st.dates(),
    st.binary(max_size=5),
)
VALUES = st.recursive(SCALARS, lambda some: st.lists(some, max_size=3) | st.dictionaries(SCALARS, some, max_size=3))
PIECES = st.sampled_from(
    ["&a ", "*a", "!!int ", "!!timestamp x", "? ", "- ", ": ", "{", "}", "[", "]", "'", '"', "\n", "  ", "\t", "#",
     "|", ">", "%YAML 9.9", "---\n", "...\n", "<<: ", "!!str {=: a}", "2001-99-99", "1:60", "\x85", "\0", "\ufeff",
     "!x"]
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key)
        yield from places(below, (*at, key))


def loads_or_says_where(kind: str, content: bytes) -> str:
    """What was said of the content ("" where it loads); fails for any other error, or a line without a place."""
    load, _ = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.yaml"
        path.write_bytes(content)
        try:
            load(path)
        except ConfigError as error:
            lines = str(error).splitlines()
            count = len(content.decode(errors="replace").splitlines()) + 1  # YAML 1.1 has breaks of its own
            assert lines
            for line in lines:
                assert line.startswith(f"{path}:"), line
                number, colon, _ = line.removeprefix(f"{path}:").partition(":")
                assert colon and number.isdigit(), line
                assert 1 <= int(number) <= count, line
            return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(data=st.data())
def test_a_document_with_a_key_dropped_renamed_or_given_another_value_loads_or_says_where(
    kind: str, data: st.DataObject
) -> None:
    document = copy.deepcopy(yaml.safe_load(KINDS[kind][1]))
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        path = data.draw(st.sampled_from(found))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        match data.draw(st.sampled_from(["drop", "set", "add"])):
            case "drop":
                del holder[path[-1]]
            case "set":
                holder[path[-1]] = data.draw(VALUES)
            case "add" if isinstance(holder, dict):
                holder[data.draw(SCALARS)] = data.draw(VALUES)
    loads_or_says_where(kind, yaml.safe_dump(document, allow_unicode=True).encode())


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(data=st.data())
def test_a_text_with_junk_put_into_it_loads_or_says_where(kind: str, data: st.DataObject) -> None:
    text = KINDS[kind][1]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 10))
        text = text[:at] + data.draw(PIECES | st.text(max_size=6)) + text[at + cut :]
    loads_or_says_where(kind, text.encode(errors="replace"))


@pytest.mark.parametrize("kind", KINDS)
@MANY
@given(content=st.binary(max_size=60))
def test_bytes_of_any_kind_load_or_say_where(kind: str, content: bytes) -> None:
    loads_or_says_where(kind, content)


def hiding(value: str) -> st.SearchStrategy[Any]:
    """Documents with the value somewhere in them, never as a key."""
    inner = st.just(value)
    return st.recursive(
        inner, lambda some: st.lists(some, min_size=1, max_size=2) | st.dictionaries(KEYS, some, min_size=1, max_size=2)
    )


KEYS = st.sampled_from(["csv", "keytab", "env", "password", "clinician", "curve", "relative"])


@settings(max_examples=150)
@given(written=hiding(CANARY))
def test_no_value_beneath_credentials_is_ever_said(written: Any) -> None:
    document = yaml.safe_load(TARGETS)
    document["arms"]["baseline"]["credentials"] = written
    assert CANARY not in loads_or_says_where("targets", yaml.safe_dump(document).encode())
