"""The documentation against the program: links lead somewhere, files load, and each command and option exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli.main import COMMANDS, cli
from harness.config.load import load_policy, load_scenario, load_targets, load_update
from harness.config.shipped import POLICIES, SCENARIOS, UPDATES
from harness.load.accounts import read_own
from harness.model.steps import STEPS
from tests.helpers import pages
from tests.helpers.pages import ROOT, Fence, commands, fences, name_of
from tests.helpers.prometheus import require_prometheus

PAGES = pages.pages()
FENCES = [fence for page in PAGES for fence in fences(page)]
LINES_AT_MOST = 150
KINDS = {*pages.COMMANDS, "yaml", "sql", "ini", "python"}
LOADERS = {
    "scenario": (load_scenario, SCENARIOS / "morning-rush.yaml"),
    "targets": (load_targets, SCENARIOS / "targets" / "pre-production.yaml"),
    "policy": (load_policy, POLICIES / "default.yaml"),
    "accounts": (read_own, None),
    "update": (load_update, UPDATES / "uppsala-2016.yaml"),
}
"""The loader of each kind of file, and the shipped one that a part is laid over."""
INSTEAD = {"cohorts": ("steps", ("population", "cold_share"))}
"""What a part takes the place of, rather than standing beside it."""
OURS = re.compile(r"(?:^|[(|;&]\s*)authgate +(?P<rest>[a-z-][^)|;&>]*)", re.MULTILINE)
PATH = re.compile(r"(?:harness|tests|scenarios|docs|results|locustfiles|\.ci)/[\w./-]+")


def told(fence: Fence) -> str:
    return fence.where


def of_kind(*kinds: str) -> list[Fence]:
    return [fence for fence in FENCES if fence.kind in kinds]


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST


@pytest.mark.parametrize("fence", FENCES, ids=told)
def test_every_block_is_of_a_kind_that_is_tested(fence: Fence) -> None:
    assert fence.kind in KINDS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_fence_is_closed(page: Path) -> None:
    assert "```" not in pages.prose(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    for link in pages.links(page):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in pages.headings(there), f"{name_of(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it tells of files as they were
        return
    for text in pages.inline_code(page):
        if PATH.fullmatch(text):
            assert (ROOT / text).exists(), f"{name_of(page)}: {text}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in pages.links(index)}
    assert {page.resolve() for page in index.parent.rglob("*.md")} - {index.resolve()} <= linked


def test_every_command_and_every_step_is_told_of() -> None:
    index = pages.inline_code(ROOT / "docs" / "index.md")
    assert {text.split()[1] for text in index if text.startswith("authgate ")} - {"COMMAND"} == set(COMMANDS)
    assert set(STEPS) <= set(pages.inline_code(ROOT / "docs" / "concepts.md"))


# Commands: that a block isn't run is no reason for it to name what isn't there.


def faults_of(text: str) -> list[str]:
    """What of authgate's command lines in ``text`` doesn't exist, and of make's targets and Python's modules."""
    found = []
    for ours in OURS.finditer(text):
        found += unknown_in(shlex.split(ours["rest"], comments=True))
    for target in re.findall(r"^make +([a-z-]+)", text, re.MULTILINE):
        if not re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
            found.append(f"no target {target} in the Makefile")
    for module in re.findall(r"^python3? -m (tests[\w.]+)", text, re.MULTILINE):
        path = ROOT / module.replace(".", "/")
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists()):
            found.append(f"no module {module}")
    return found


def unknown_in(words: list[str]) -> list[str]:
    """The command of authgate that isn't there, or the options that it doesn't have; capital words are placeholders."""
    command: click.Command = cli
    context = click.Context(cli, **cli.context_settings)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0)
        if name.isupper():
            break
        below = command.get_command(context, name)
        if below is None:
            return [f"no command {name}"]
        command = below
    known = {
        option
        for parameter in command.get_params(click.Context(command, **cli.context_settings))
        for option in parameter.opts
    }
    options = (word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word))
    return [f"{command.name}: no option {option}" for option in options if option not in known | {"-h", "--help"}]


@pytest.mark.parametrize("fence", of_kind(*pages.COMMANDS), ids=told)
def test_every_command_of_a_block_exists_and_runs_or_says_why_not(fence: Fence) -> None:
    found = commands(fence)
    assert found
    for command in found:
        assert faults_of(command.text) == [], command.where
        assert "not run" not in command.text.lower(), f"{command.where}: expected '# Not run by the tests: WHY'"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_prose_names_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    for text in pages.inline_code(page):
        assert faults_of(text) == [], f"{name_of(page)}: {text}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("authgate gates morning-rush", "no command gates"),
        ("authgate gate morning-rush --target my.yaml", "gate: no option --target"),
        ("authgate lab up --kinds ad", "up: no option --kinds"),
        ('locust -f "$(authgate locustfiles)"', "no command locustfiles"),
        ("make dinner", "no target dinner in the Makefile"),
        ("python -m tests.benchmarks.nothing", "no module tests.benchmarks.nothing"),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


# Files.


def laid_over(shipped: Any, part: Any) -> Any:
    """The shipped document with what the part says in place of its own."""
    if not (isinstance(shipped, dict) and isinstance(part, dict)):
        return part
    merged = dict(shipped)
    for key, value in part.items():
        for gone in INSTEAD.get(key, ()):
            below, last = (merged, gone) if isinstance(gone, str) else (merged[gone[0]], gone[1])
            below.pop(last, None)
        merged[key] = laid_over(shipped.get(key), value)
    return merged


@pytest.mark.parametrize("fence", of_kind("yaml"), ids=told)
def test_every_yaml_block_loads(fence: Fence, tmp_path: Path) -> None:
    document = yaml.safe_load(fence.text)
    if fence.words[1:] == ("ci",):
        assert document
        for step in document:
            assert step.keys() & {"run", "uses"}
            assert faults_of(step.get("run", "")) == []
        return
    if fence.words[1:] == ("prometheus",):
        require_prometheus()
        (tmp_path / "prometheus.yml").write_text(fence.text, encoding="utf-8")
        done = subprocess.run(
            ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    load, shipped = LOADERS[fence.words[1]]
    if fence.words[2:] == ("part",):
        document = laid_over(yaml.safe_load(shipped.read_text(encoding="utf-8")), document)
    file = tmp_path / "block.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    load(file)


# How output is compared.


@pytest.mark.parametrize(
    ("expected", "printed", "as_told"),
    [
        ("login: ok in 9.93 ms, 4 groups", "login: ok in 21 ms, 4 groups", True),
        ("login: ok in 9.93 ms, 4 groups", "login: denied after 21 ms", False),
        ("a  1.2  ██   TCP 127.0.0.1:88\nb", "a 10 █ TCP\n127.0.0.1:24088 b", True),
        ("first\n…\nlast", "first\nand more\nlast", True),
        ("first\n…\nlast", "first\nand more", False),
        ("first", "first\nand a warning", False),
        ("", "anything", False),
    ],
)
def test_numbers_and_spaces_may_differ_and_nothing_else(expected: str, printed: str, as_told: bool) -> None:
    assert pages.prints(expected, printed) is as_told


def test_a_block_is_taken_apart_into_commands_what_they_print_and_their_exit_codes() -> None:
    text = "$ cat > a <<'E'\nx\nE\n$ one \\\n  two\nsaid\n\n$ three\n$ echo $?\n2\n"
    text += "$ four  # Not run by the tests: why\n"
    first, second, third, fourth = commands(Fence(ROOT / "README.md", 5, ("console",), text))
    assert first.text == "cat > a <<'E'\nx\nE"
    assert (second.text, second.printed, second.status) == ("one \\\n  two", "said\n", 0)
    assert (third.text, third.status, third.where) == ("three", 2, "README.md:12")
    assert (fourth.text, fourth.not_run) == ("four", "why")


def test_a_comment_at_its_head_keeps_a_whole_block_from_being_run() -> None:
    text = "# Not run by the tests: it takes hours.\none\n\n# And then:\ntwo\n"
    found = commands(Fence(ROOT / "README.md", 5, ("sh",), text))
    assert [(command.text, command.not_run) for command in found] == [
        ("one", "it takes hours."),
        ("two", "it takes hours."),
    ]
