"""Swedish reports: every phrase has one, every sentence of the judge's too, and figures are written as there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.cli import options
from harness.gate.advice import LONGER, NEXT, SOAK_LONGER, what_next, what_next_of_one
from harness.gate.alone import judge_alone
from harness.gate.judge import judge
from harness.model.evidence import Evidence
from harness.model.progress import Look
from harness.model.verdict import Verdict
from harness.report import html, plates, rows, soundness, swedish, swedish_sentences, wire
from harness.report.growth import CAPTION
from harness.report.html import page
from harness.report.language import ENGLISH, LANGUAGES, SWEDISH, language_of
from harness.webui.live import in_language, look_as_json
from tests.helpers.evidence_samples import VERDICTS, blocked
from tests.helpers.synthetic import ENDED, HEALTH, POLICY, SOUND, World, compared

REPORT = Path(rows.__file__).parent
TEMPLATE = (REPORT / "report.html.j2").read_text(encoding="utf-8")
every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())


def said_in_the_template() -> Iterator[str]:
    """What the template passes through the language, and the titles of its tables."""
    yield from re.findall(r'\bsay\("([^"]+)"', TEMPLATE)
    for titles in re.findall(r"(?:head|named)\((\[[^\]]*\])", TEMPLATE):
        yield from ast.literal_eval(titles)


def said_beside_figures() -> Iterator[str]:
    """Each literal that a module of the reports passes to ``say``."""
    for path in REPORT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "say" and isinstance(node.args[0].value, str):
                yield node.args[0].value


def test_every_phrase_of_the_report_is_there_in_swedish() -> None:
    by_name = [*html._TITLES.values(), html._SUBJECT, html._SOAK_SUBJECT, html._ONE_SUBJECT, html._RULE,
               html._SOAK_RULE, *html.COLUMNS, *(label for label, _, _ in html._NOTICED), wire.HEADING, CAPTION,
               *rows.MEANINGS.values(), *rows.DECISION_SIGNS, *(label for label, _, _ in soundness._LINES),
               plates._DISTRIBUTIONS, plates._FOREST, plates._FOREST_ALT, plates._BARS.strip(), plates._TURNS,
               plates._ONE_AFTER_THE_OTHER, plates._STEPS, plates._DWARFED,
               "baseline", "candidate", "yes", "no"]  # fmt: skip
    missing = {*said_in_the_template(), *said_beside_figures(), *by_name} - swedish.PHRASES.keys()
    assert not missing


def test_every_word_of_the_template_goes_through_the_language() -> None:
    bare = re.sub(r"<[^>]*>", " ", re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", TEMPLATE, flags=re.DOTALL))
    assert set(re.findall(r"[A-Za-z]{2,}", bare)) <= {"authgate"}


WORLDS = (
    World(pairs=12, factors={"kdc_as": 50}),
    World(pairs=12, failing=0.3, failing_step="ldap_bind"),
    World(pairs=39, rate=5, stalled=0.02),
    World(pairs=12, cold_share=0.5, factors={"kdc_as": 50}),
    World(pairs=40),
    World(pairs=16, noise=0.12),
    World(pairs=2),
    World(pairs=39, factors={"kdc_tgs_ldap": 1.5}, noise=0.02),
    World(pairs=30, rate=20, growth=0.03),
)


def verdicts() -> Iterator[Verdict]:
    for world in WORLDS:
        yield judge(compared(world), HEALTH, ENDED, POLICY)
    late = replace(SOUND, send_lag_p99_ms=180.0, generator_cpu=0.97, worker_lost=True)
    yield judge(compared(WORLDS[4]), {**HEALTH, "baseline": late}, ENDED, POLICY)
    yield judge(
        compared(WORLDS[4]), HEALTH, replace(ENDED, complete=False, interrupted="interrupted by the user"), POLICY
    )
    yield judge_alone("baseline", 4, 60.0, (), "")


@pytest.mark.parametrize("verdict", list(verdicts()), ids=lambda verdict: verdict.kind.name)
def test_what_the_judge_says_is_there_in_swedish(verdict: Verdict) -> None:
    for text in (verdict.sentence, *verdict.reasons, *verdict.notices):
        told = SWEDISH.sentence(text)
        assert told != text, "no pattern of it"
        left = set(re.findall(r"\b(?:the|and|is|are|was|were|with|would|logins|instead|margin|bounds)\b", told))
        assert not left, f"{text}\n{told}"


def test_what_to_do_is_there_in_swedish() -> None:
    open_one = compared(WORLDS[5])
    told = [
        *NEXT.values(), LONGER, SOAK_LONGER,
        what_next(judge(open_one, HEALTH, ENDED, POLICY), open_one, POLICY),
        what_next_of_one(judge_alone("baseline", 4, 60.0, (), ""), "baseline"),
    ]  # fmt: skip
    for text in told:
        assert not set(re.findall(r"\b(?:the|and|of|is|for|then)\b", SWEDISH.sentence(text))), SWEDISH.sentence(text)


def test_a_translation_has_the_holes_of_its_sentence() -> None:
    for english, told in {**swedish.PHRASES, **swedish_sentences.SENTENCES}.items():
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", told)), english


def test_figures_are_written_as_in_the_language() -> None:
    assert SWEDISH.figures("+1.72 ms") == "+1,72 ms" and ENGLISH.figures("+1.72 ms") == "+1.72 ms"
    assert SWEDISH.figures("12,345 logins") == "12\N{NO-BREAK SPACE}345 logins"
    assert SWEDISH.sentence("a text of nobody's") == "a text of nobody's"


class Text(HTMLParser):
    """A page's text, without that of its style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said = ""
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        self.said += "" if self._style else data


@every_verdict
@pytest.mark.usefixtures("no_figures")
def test_a_swedish_page_says_so_and_is_in_swedish(make: Callable[[], Evidence]) -> None:
    # What the samples' own judge says is nobody's sentence, and their manifest is the user's.
    found = make()
    said = replace(found.verdict, sentence="", reasons=())
    evidence = replace(found, title="uppdatering", manifest={}, partial="", verdict=said)
    html = page(evidence, SWEDISH)
    assert '<html lang="sv">' in html
    left = re.findall(r"\b(?:the|and|with|would|logins|instead|margin|baseline|candidate|step)\b", Text(html).said)
    assert not left, left


def test_the_commands_offer_the_languages_that_there_are() -> None:
    assert tuple(LANGUAGES) == options.LANGUAGES
    assert language_of("sv") is SWEDISH and language_of("fi") is ENGLISH


def test_a_live_file_is_told_in_the_page_s_language_and_names_stay() -> None:
    comparison = compared(World(pairs=16, noise=0.12))
    look = Look(judge(comparison, HEALTH, ENDED, POLICY), comparison, HEALTH)
    live = {"scenario": "the usual", **look_as_json(look, POLICY.limits)}
    assert in_language(live, ENGLISH) == live
    told = in_language(live, SWEDISH)
    assert told["scenario"] == "the usual"
    assert told["verdict"]["sentence"].startswith("Driftsätt inte än")
    assert any("par till skulle avgöra det" in reason for reason in told["verdict"]["waits_for"])
    assert {row["says"] for row in told["findings"]} <= {swedish.PHRASES[name] for name in rows.DECISION_SIGNS}
    assert told["findings"][0]["decision"] == live["findings"][0]["decision"]


def test_a_swedish_figure_is_in_swedish() -> None:
    from harness.report import figures
    from harness.report.style import Canvas

    figure = figures.steps(blocked(), Canvas(say=SWEDISH))
    assert figure is not None
    texts = [text.get_text() for axes in figure.axes for text in axes.texts] + [
        axes.get_title("left") for axes in figure.axes
    ]
    assert "avbrutet efter 10 s" in texts and "0,696 ms" in texts
    assert any("medeltid i varje steg" in text for text in texts)
