"""YAML documents, and on which line of one each value stands."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.errors import ConfigError, one_line

KeyPath = tuple[str | int, ...]


def parse(path: Path) -> tuple[object, yaml.Node | None]:
    """A YAML file's value, and its nodes, which know their lines."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable YAML file, got: {error.strerror}") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}:{_lines_before(raw[: error.start])}: expected text in UTF-8") from None
    line, problem = 1, "not readable"
    try:
        return yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = _lines_before(text[: error.position].encode())
        problem = f"a character that may not be in it (U+{error.character:04X})"
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = error.problem or problem
        if "alias" in problem or "tag" in problem:  # it may be a password that begins with * or !
            problem = problem.partition("'")[0].rstrip()
    except yaml.YAMLError:
        pass
    except RecursionError:
        problem = "lists or mappings nested too deep"
    except _NO_VALUE:  # a scalar that looks like a date or a number and is none
        line, problem = _unusable(text), "a date or a number that can't be"
    raise ConfigError(f"{path}:{line}: expected YAML, got: {one_line(problem)}")


_NO_VALUE = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError)
"""What PyYAML lets through when a scalar is not what its tag or its look promises."""


def _lines_before(raw: bytes) -> int:
    return raw.count(b"\n") + 1


def _unusable(text: str) -> int:
    """The line of the first scalar that has no value."""
    loader = yaml.SafeLoader(text)
    nodes: list[yaml.Node | None] = [loader.get_single_node()]
    seen: set[int] = set()
    while nodes:
        node = nodes.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except _NO_VALUE:
                return node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            nodes += [part for pair in reversed(node.value) for part in reversed(pair)]
        else:
            nodes += reversed(node.value)
    return 1


def line_of(node: yaml.Node | None, path: KeyPath) -> int:
    """The line (from 1) of a key path in a document, or of the nearest key that holds it."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if str(k.value) == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def lines_of(node: yaml.Node | None) -> dict[str, int]:
    """The line (from 1) of every key path of a document, its parts joined by dots; an alias is read where it stands."""
    lines: dict[str, int] = {}
    within: set[int] = set()

    def read(node: yaml.Node | None, at: str) -> None:
        if not isinstance(node, yaml.CollectionNode) or id(node) in within or len(lines) > LINES_AT_MOST:
            return
        within.add(id(node))
        pairs = (
            [(str(key.value), key, value) for key, value in node.value]
            if isinstance(node, yaml.MappingNode)
            else [(str(place), value, value) for place, value in enumerate(node.value)]
        )
        for name, where, value in pairs:
            lines[f"{at}{name}"] = where.start_mark.line + 1
            read(value, f"{at}{name}.")
        within.discard(id(node))

    read(node, "")
    return lines


LINES_AT_MOST = 10_000
"""Key paths of a document whose lines are kept: aliases of aliases can make of a few lines more than can be held."""


def repeated_keys(node: yaml.Node | None, at: str = "", seen: set[int] | None = None) -> list[tuple[int, str]]:
    """Keys that stand twice in one mapping, which YAML forbids and PyYAML silently accepts; an alias is read once."""
    seen = set() if seen is None else seen
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return []
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [found for i, value in enumerate(node.value) for found in repeated_keys(value, f"{at}{i}.", seen)]
    keys: set[str] = set()
    found = []
    for key, value in node.value:
        name = str(key.value)
        if name in keys:
            found.append((key.start_mark.line + 1, f"{at}{name}"))
        keys.add(name)
        found += repeated_keys(value, f"{at}{name}.", seen)
    return found
