"""The templates of pages; every text from a user's file is escaped."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from harness.report import words


def template(name: str) -> Template:
    """A template of this package, which may include others of it."""
    loader = FunctionLoader(lambda found: files(__package__).joinpath(found).read_text(encoding="utf-8"))
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["printable"] = words.printable
    environment.filters["zip"] = lambda one, other: list(zip(one, other, strict=True))
    return environment.get_template(name)
