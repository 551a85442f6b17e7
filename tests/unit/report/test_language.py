"""Swedish reports: every phrase has one, every sentence of the judge's too, and figures are written as there."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.cli import options
from harness.gate.advice import LONGER, NEXT, SOAK_LONGER, what_next, what_next_of_one
from harness.gate.alone import judge_alone
from harness.gate.capacity import judge_capacity
from harness.gate.judge import judge
from harness.gate.soak import judge_soak
from harness.model.capacity import CapacityEvidence, CapacityShift, Span
from harness.model.comparison import Fade, Periodic
from harness.model.evidence import Evidence
from harness.model.health import RunState
from harness.model.progress import Look
from harness.model.target import ARMS
from harness.model.verdict import Verdict
from harness.report import (
    capacity_figure,
    html,
    instrument,
    plates,
    rows,
    soundness,
    swedish,
    swedish_sentences,
    swedish_studies,
    wire,
)
from harness.report.capacity import page as capacity_page
from harness.report.growth import CAPTION
from harness.report.html import page
from harness.report.language import ENGLISH, LANGUAGES, SWEDISH, language_of
from harness.webui.live import in_language, look_as_json
from tests.helpers.capacities import lost_server
from tests.helpers.evidence_samples import VERDICTS, blocked
from tests.helpers.soaks import MARGIN, growth, soak
from tests.helpers.soaks import verdict as verdict_on
from tests.helpers.synthetic import ENDED, HEALTH, POLICY, SOUND, World, compared

REPORT = Path(rows.__file__).parent
TEMPLATE = (REPORT / "report.html.j2").read_text(encoding="utf-8")
TEMPLATES = [TEMPLATE, (REPORT / "capacity.html.j2").read_text(encoding="utf-8")]
every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())


def said_in_the_template() -> Iterator[str]:
    """What a template passes through the language, and the titles of its tables."""
    for template in TEMPLATES:
        yield from re.findall(r'\bsay\("([^"]+)"', template)
        for titles in re.findall(r"(?:head|named)\((\[[^\]]*\])", template):
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
               instrument._FLOOR,
               *rows.MEANINGS.values(), *rows.DECISION_SIGNS, *(label for label, _, _ in soundness._LINES),
               plates._DISTRIBUTIONS, plates._FOREST, plates._FOREST_ALT, plates._BARS.strip(), plates._TURNS,
               plates._ONE_AFTER_THE_OTHER, plates._STEPS, plates._DWARFED,
               "baseline", "candidate", "yes", "no"]  # fmt: skip
    by_name += capacity_figure._STATES.values()
    missing = {*said_in_the_template(), *said_beside_figures(), *by_name} - SWEDISH.phrases.keys()
    assert not missing


@pytest.mark.parametrize("template", TEMPLATES, ids=["report", "capacity"])
def test_every_word_of_the_template_goes_through_the_language(template: str) -> None:
    bare = re.sub(r"<[^>]*>", " ", re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", template, flags=re.DOTALL))
    assert set(re.findall(r"[A-Za-z]{2,}", bare)) <= {"authgate", "json"}


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
    for workers in (1, 3):
        yield judge(compared(WORLDS[4]), {**HEALTH, "baseline": replace(late, workers=workers)}, ENDED, POLICY)
    yield judge(
        compared(WORLDS[4]), HEALTH, replace(ENDED, complete=False, interrupted="interrupted by the user"), POLICY
    )
    yield judge(replace(compared(WORLDS[4]), periodic=Periodic(30.0, 0.5)), HEALTH, ENDED, POLICY)
    yield judge_alone("baseline", 4, 60.0, (), "")
    yield from soak_verdicts()


def soak_verdicts() -> Iterator[Verdict]:
    """Every kind of what is said of a soak."""
    whole = soak()
    for found in (
        soak(growth("p50", 0.0, 2e-4)),
        soak(growth("p50", 0.004, 0.001)),
        soak(growth("p95", 0.004, 0.001), growth("slow_rate", 0.01 / 60, 0.001 / 60), arm="baseline"),
        soak(growth("failure_rate", 0.01 / 60, 0.001 / 60)),
        soak(growth("p50", 2e-4, 1e-4)),
        soak(growth("p50", 2e-4, 2e-3)),
        soak(growth("p50", MARGIN * 0.999, 2e-3)),
        soak(failed=0.3),
        soak(fade=Fade(added=math.log(1.35), minutes=3.0, p_value=1e-6)),
    ):
        yield verdict_on(found)
    for why in ("12 whole blocks with logins, 20 are needed", "too few logins: a block holds 9, p50 needs 20",
                "p50 is the time-out of 10 s: no growth could be seen"):  # fmt: skip
        yield verdict_on(replace(whole, growths=whole.growths[1:], not_judged=(("p50", why),)))
    yield verdict_on(whole, RunState(complete=False, interrupted="interrupted by the user"))
    yield verdict_on(whole, RunState(complete=False, interrupted=""))
    waiting = {"candidate": replace(SOUND, seat_waits=5000)}
    yield judge_soak(soak(growth("p50", 0.004, 0.001)), waiting, ENDED, POLICY)
    yield judge_soak(whole, {}, ENDED, POLICY)


OPEN = Span(None, 150.0, math.inf)
REACHED = Span(80.0, 78.0, 82.0)


def capacities() -> Iterator[CapacityEvidence]:
    """Searches of every verdict, with what is said of each."""
    lost = lost_server()
    yield lost
    arms = lost.comparison.arms
    low = Span(None, 0.0, 25.0)
    for over_all, shift in (
        ((REACHED, REACHED), CapacityShift((), 0.001, -0.05, 0.05, math.log(0.9))),
        ((REACHED, OPEN), CapacityShift((), 0.001, -0.2, 0.2, math.log(0.9))),
        ((low, Span(None, 40.0, 60.0)), CapacityShift((), None, -0.2, 0.2, math.log(0.9))),
        ((OPEN, OPEN), CapacityShift((), None, -math.inf, math.inf, math.log(0.9))),
        ((REACHED, OPEN), CapacityShift((), None, 0.5, math.inf, math.log(0.9))),
    ):
        both = zip(ARMS, over_all, strict=True)
        found = replace(
            lost.comparison, arms={arm: replace(arms[arm], over_all=span) for arm, span in both}, shift=shift,
            by_budget=True,
        )  # fmt: skip
        for why in (
            "", "no saturation was shown up to 200 logins/s", "3 rungs were sustained below saturation, 6 are needed",
            "the model misses the measured times by 40 %",
        ):  # fmt: skip
            predicted = {arm: [replace(one, refused=why) for one in lost.extrapolations[arm]] for arm in ARMS}
            said = judge_capacity(lost.ladders[1:], found, predicted, 100.0)
            yield replace(lost, comparison=found, extrapolations=predicted, verdict=said, stated_peak=100.0)
    late = "baseline: logins were sent late by 180 ms at the 99th percentile, 5 allowed"
    rungs = {arm: tuple(replace(r, state="unknown", why=f"p95 3 s, 2 s allowed; {late}") for r in of)
             for arm, of in lost.ladders[1].rungs.items()}  # fmt: skip
    spoilt = (*lost.ladders[:1], replace(lost.ladders[1], rungs=rungs, trouble="interrupted by the user"))
    passing = replace(lost.comparison, shift=CapacityShift((), 0.0, -0.05, 0.05, math.log(0.9)))
    yield replace(lost, ladders=spoilt, verdict=judge_capacity(spoilt[1:], passing, lost.extrapolations, None))


ENGLISH_LEFT = re.compile(
    r"(?<!-)\b(?:the|and|is|are|was|were|with|would|logins|instead|margin|bounds|of|to|at|least|most|within|failed|baseline|"
    r"candidate|capacity|allowed|sustained|only|needed)\b"
)


@pytest.mark.parametrize("evidence", list(capacities()), ids=lambda it: it.verdict.kind.name)
@pytest.mark.usefixtures("no_figures")
def test_a_swedish_page_of_a_search_for_capacity_has_no_english_sentence_left(evidence: CapacityEvidence) -> None:
    said = Text(capacity_page(replace(evidence, search_id="sökning"), SWEDISH)).said
    left = [line for line in said.splitlines() if ENGLISH_LEFT.search(line)]
    assert not left, left


@pytest.mark.parametrize("verdict", list(verdicts()), ids=lambda verdict: verdict.kind.name)
def test_what_the_judge_says_is_there_in_swedish(verdict: Verdict) -> None:
    for text in (verdict.sentence, *verdict.reasons, *verdict.notices):
        told = SWEDISH.sentence(text)
        assert told != text, "no pattern of it"
        left = set(re.findall(r"\b(?:the|and|is|are|was|were|with|would|logins|instead|margin|bounds)\b", told))
        assert not left, f"{text}\n{told}"


def test_which_pairs_hold_a_rate_is_there_in_swedish() -> None:
    text = "3 of 39 pairs hold 90 % of what differs, 2 of them on the baseline; about 40 more pairs would decide it"
    assert SWEDISH.sentence(text) == (
        "3 av 39 par har 90 % av skillnaden, 2 av dem på de nuvarande servrarna; omkring 40 par till skulle avgöra det"
    )


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
    studies = swedish_studies.PHRASES | swedish_studies.SENTENCES
    for english, told in {**swedish.PHRASES, **swedish_sentences.SENTENCES, **studies}.items():
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
