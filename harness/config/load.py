"""YAML to model; an error names the file, the line and the key path, what was expected and what was found."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.config.documents import KeyPath, line_of, lines_of, parse, repeated_keys
from harness.errors import ConfigError, masked, one_line, shown
from harness.model.base import NAME, Configured, Document
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.model.update import Update

T = TypeVar("T", bound=Configured)

_SECRET = {"credentials", "service_accounts", "armor"}  # somebody may write a password there
SCHEMAS: dict[str, type[Configured]] = {"scenario": Scenario, "targets": Targets, "policy": Policy, "update": Update}
"""The kinds of file that a user writes, by the name under which ``authgate schema`` prints them."""


def load_scenario(path: Path) -> Scenario:
    """The scenario in a YAML file; raises ConfigError."""
    return _load(path, Scenario)


def load_targets(path: Path) -> Targets:
    """The targets in a YAML file, with relative file names resolved against its folder; raises ConfigError."""
    targets = _load(path, Targets)
    folder = path.resolve().parent
    arms = {}
    for arm, target in targets.arms.items():
        parts = ("credentials", "service_accounts", "armor", "directory")
        named = {name: _found_from(folder, getattr(target, name)) for name in parts}
        arms[arm] = target.model_copy(update=named)
    return targets.model_copy(update={"arms": arms})


_FILES = ("csv", "keytab", "ca_file", "folder", "anchors")


def _found_from(folder: Path, part: Configured | None) -> Configured | None:
    """The part with the file names in it resolved against the folder."""
    if part is None:
        return None
    named: dict[str, object] = {k: str(folder / v) for k in _FILES if (v := getattr(part, k, None)) is not None}
    if (cards := getattr(part, "smart_cards", None)) is not None:
        named["smart_cards"] = _found_from(folder, cards)
    return part.model_copy(update=named)


def load_policy(path: Path) -> Policy:
    """The policy in a YAML file; raises ConfigError."""
    return _load(path, Policy)


def load_update(path: Path) -> Update:
    """The catalogue entry in a YAML file; raises ConfigError."""
    return _load(path, Update)


def _load(path: Path, kind: type[T]) -> T:
    data, node = parse(path)
    if not isinstance(data, dict):
        # Never what it holds: a file of accounts may have been taken for another.
        got = "text" if isinstance(data, str) else shown(data)
        problems = [(1, f"expected keys and values of a {kind.__name__.lower()}, got {got}")]
    elif repeated := repeated_keys(node):
        problems = [(line, f"{key}: expected each key once, got it again") for line, key in repeated]
    else:
        try:
            found = kind.model_validate(data)
            return found.read_from(str(path), lines_of(node)) if isinstance(found, Document) else found
        except ValidationError as error:
            wrong = [_Problem.of(details, kind) for details in error.errors(include_url=False)]
            problems = [(line_of(node, problem.path), problem.text) for problem in wrong]
    raise ConfigError("\n".join(f"{path}:{line}: {one_line(masked(text))}" for line, text in problems))


class _Problem:
    """One of pydantic's error details in this project's words."""

    def __init__(self, path: KeyPath, text: str) -> None:
        self.path = path
        self.text = text

    @classmethod
    def of(cls, details: ErrorDetails, kind: type[BaseModel]) -> _Problem:
        loc = details["loc"]
        path, owner = _walk(loc if details["type"] == "extra_forbidden" else _without_key_mark(loc), kind)
        dotted = ".".join(str(part) for part in path)
        found = details["input"]
        if _SECRET & set(path) or (kind is Targets and isinstance(found, str) and not _PLAIN.fullmatch(found)):
            found = "…"
        context = details.get("ctx", {})
        match details["type"]:
            case "extra_forbidden":
                known = [] if owner is None else list(owner.model_fields)
                near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
                text = f"unknown key; {hint}"
                if not _KEY.fullmatch(str(path[-1])):
                    dotted = ".".join((*map(str, path[:-1]), "…"))
            case "missing":
                text = "expected a value, got none"
            case "greater_than":
                text = f"expected a number above {context['gt']:g}, got {shown(found)}"
            case "greater_than_equal":
                text = f"expected a number of at least {context['ge']:g}, got {shown(found)}"
            case "less_than":
                text = f"expected a number below {context['lt']:g}, got {shown(found)}"
            case "less_than_equal":
                text = f"expected a number of at most {context['le']:g}, got {shown(found)}"
            case "float_parsing" | "float_type":
                text = f"expected a number{_bound(owner, path)}, got {shown(found)}"
            case "int_parsing" | "int_type" | "int_from_float":
                text = f"expected a whole number{_bound(owner, path)}, got {shown(found)}"
            case "literal_error" | "union_tag_invalid":
                text = f"expected {context.get('expected') or context.get('expected_tags')}, got {shown(found)}"
                if details["type"] == "union_tag_invalid":
                    tag = context["discriminator"].strip("'")
                    path, dotted = (*path, tag), f"{dotted}.{tag}"
                    text = f"expected one of {context['expected_tags']}, got {shown(context['tag'])}"
            case "union_tag_not_found":
                tag = context["discriminator"].strip("'")
                path, dotted = (*path, tag), f"{dotted}.{tag}"
                text = "expected a value, got none"
            case "tuple_type" | "list_type":
                text = f"expected a list, got {shown(found)}"
            case "dict_type" | "model_type" | "model_attributes_type":
                text = f"expected keys and values, got {shown(found)}"
            case "too_short":
                text = f"expected {context['min_length']} or more, got {context['actual_length']}"
            case "string_pattern_mismatch" if context["pattern"] == NAME:
                text = f"expected lower-case letters, digits and hyphens, got {shown(found)}"
            case "value_error":
                text = str(context["error"])
                key, of_part, rest = text.partition(": ")
                if of_part and owner is not None and key in (kind if not path else owner).model_fields:
                    # A rule about several values names the one to look at.
                    path, dotted, text = (*path, key), f"{dotted}.{key}".lstrip("."), rest
            case _:
                text = f"{details['msg'][0].lower()}{details['msg'][1:]}, got {shown(found)}"
        return cls(path, f"{dotted}: {text}" if dotted else text)


def _without_key_mark(loc: KeyPath) -> KeyPath:
    """A location without the mark that pydantic sets after a mapping's key that is wrong itself."""
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _walk(loc: KeyPath, kind: type[BaseModel]) -> tuple[KeyPath, type[BaseModel] | None]:
    """The key path as the user wrote it, without pydantic's names of union members, and the type that owns its end."""
    path: list[str | int] = []
    owner: type[BaseModel] | None = kind
    here: object = kind
    for part in loc:
        members = _members(here)
        tagged = [m for m in members if _tag(m) == part]
        if tagged and len(members) > 1:
            here = owner = tagged[0]
            continue
        path.append(part)
        owners = [m for m in members if part in m.model_fields]
        if owners:
            owner = owners[0]
            here = owner.model_fields[str(part)].annotation
        elif members:
            owner, here = members[0], None
        else:
            here = _element(here)
    return tuple(path), owner


def _members(annotation: object) -> list[type[BaseModel]]:
    """The models that an annotation may hold: itself, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if getattr(annotation, "__origin__", None) in (dict, tuple, list):
        return []
    return [m for arg in getattr(annotation, "__args__", ()) for m in _members(arg)]


def _element(annotation: object) -> object:
    """The type of a container's values."""
    args = [arg for arg in getattr(annotation, "__args__", ()) if arg is not Ellipsis]
    return args[-1] if args else None


def _tag(model: type[BaseModel]) -> str | None:
    """The literal by which a discriminated union picks this member."""
    field = model.model_fields.get("curve") or model.model_fields.get("kind")
    values = getattr(field.annotation, "__args__", ()) if field is not None else ()
    return str(values[0]) if values else None


def _bound(owner: type[BaseModel] | None, path: KeyPath) -> str:
    """The bound that the field puts on a number, so that a wrong type also learns it."""
    field = owner.model_fields.get(str(path[-1])) if owner is not None and path else None
    for constraint in field.metadata if field is not None else ():
        for name, words in (("gt", "above"), ("ge", "of at least")):
            if (value := getattr(constraint, name, None)) is not None:
                return f" {words} {value:g}"
    return ""


_PLAIN = re.compile(r"[A-Za-z-]{1,20}")
"""A value of targets that an error may quote: a word, as somebody may have misspelt it. Others may be a secret."""
_KEY = re.compile(r"[A-Za-z0-9_.\[\]-]{1,40}")
"""What may be a key that somebody misspelt; anything else may be a line of a file of secrets."""
