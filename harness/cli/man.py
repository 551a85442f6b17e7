"""``authgate man``: manual pages, from the same words as ``--help``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli.examples import EXAMPLES
from harness.cli.options import FILE_PATH
from harness.errors import ConfigError
from harness.system.files import write_whole
from harness.version import __version__

_EXITS = (
    ("0", "PASS, or what was asked for was done"),
    ("10", "BLOCK"),
    ("20", "INCONCLUSIVE"),
    ("30", "INVALID"),
    ("2", "usage or configuration"),
)


@click.command("man")
@click.argument("folder", type=FILE_PATH)
def command(folder: Path) -> int:
    """Write a manual page for each command into FOLDER, such as /usr/local/share/man/man1."""
    from harness.cli.main import COMMANDS, cli

    context = click.Context(cli, info_name="authgate", **cli.context_settings)
    pages = {"authgate": _page("authgate", cli, context)}
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        pages |= dict(_pages(f"authgate {name}", found, context))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            write_whole(folder / f"{name.replace(' ', '-')}.1", text)
    except OSError as error:
        raise ConfigError(f"{folder}: expected a folder to write to, got: {error.strerror}") from None
    click.echo(f"{len(pages)} pages in {folder}")
    return 0


def _pages(name: str, found: click.Command, above: click.Context) -> Iterator[tuple[str, str]]:
    """A command's page, and those of the commands below it."""
    context = click.Context(found, info_name=name.rpartition(" ")[2], parent=above)
    yield name, _page(name, found, context)
    if isinstance(found, click.Group):
        for below in found.list_commands(context):
            one = found.get_command(context, below)
            assert one is not None
            yield from _pages(f"{name} {below}", one, context)


def _page(name: str, found: click.Command, context: click.Context) -> str:
    """One page in man(7)'s macros."""
    text = re.sub(r"[\b\f]", "", found.help or "").strip()
    first, _, rest = text.partition("\n\n")
    title = name.replace(" ", "-")
    lines = [
        f'.TH {_escaped(title.upper())} 1 "" "authgate {_escaped(__version__)}" "authgate"',
        ".ad l",  # a long list of choices can't be broken, and so not be justified
        ".SH NAME",
        f"{_escaped(title)} \\- {_escaped(' '.join(first.split()).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_escaped(name)}",
        _escaped(" ".join(found.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        _escaped(" ".join(first.split())),
    ]
    for part in filter(None, rest.split("\n\n")):
        lines += [".PP", _escaped(" ".join(part.split()))]
    options = [record for one in found.get_params(context) if (record := one.get_help_record(context)) is not None]
    if options:
        lines.append(".SH OPTIONS")
    for usage, says in options:
        lines += [".TP", f".B {_escaped(usage)}", _escaped(" ".join(says.split())) or "\\&"]
    if isinstance(found, click.Group):
        lines.append(".SH COMMANDS")
        for below in found.list_commands(context):
            one = found.get_command(context, below)
            assert one is not None
            lines += [".TP", f".B {_escaped(below)}", _escaped(one.get_short_help_str(120))]
    if examples := EXAMPLES.get(name.partition(" ")[2], ()):
        lines.append(".SH EXAMPLES")
        for example, says in examples:
            lines += [".TP", f".B {_escaped(example)}", _escaped(says)]
    lines.append(".SH EXIT STATUS")
    for code, says in _EXITS:
        lines += [".TP", f".B {code}", _escaped(says)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text as roff takes it: no escape, no request at the line's beginning, hyphens that are hyphens."""
    found = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{found}" if found[:1] in (".", "'") else found
