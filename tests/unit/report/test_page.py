"""The page and its figures."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from harness.model.evidence import Evidence
from harness.model.policy import Limits, Policy
from harness.model.servers import ServerTimes
from harness.model.shown import Distribution
from harness.report import figures, forest, instrument, rows, series, servers
from harness.report.html import page
from harness.report.style import svg
from harness.report.verdict_json import verdict_document
from harness.stats.shown import shown
from tests.helpers.evidence_samples import (
    TIMEOUT_S,
    VERDICTS,
    Planted,
    blocked,
    empty,
    open_question,
    partial,
    passed,
    table_of,
)  # fmt: skip
from tests.helpers.hostile import HOSTILE, hostile, with_finding

pytestmark = pytest.mark.slow

Written = Callable[[Callable[[], Evidence]], list[Path]]
every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())
FIDELITY = Path(__file__).parents[2] / "benchmarks/fidelity.json"
VOID = {"meta", "img", "link", "br", "source"}


class Parsed(HTMLParser):
    """The page's tags with their attributes, its text, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@every_verdict
@pytest.mark.usefixtures("no_figures")
def test_the_page_says_its_verdict_and_its_sentence(make: Callable[[], Evidence]) -> None:
    evidence = make()
    parsed = Parsed(page(evidence))
    assert not parsed.open
    assert evidence.verdict.kind.name in parsed.text
    assert evidence.verdict.sentence in parsed.text
    assert rows.MEANINGS[evidence.verdict.kind] in parsed.text
    assert evidence.partial in parsed.text


@every_verdict
def test_the_page_asks_nothing_of_the_network_and_runs_no_script(
    make: Callable[[], Evidence], written: Written
) -> None:
    parsed = Parsed(written(make)[-1].read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#"), "a link leads to a part of the page itself"
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in parsed.tags)


@pytest.mark.usefixtures("undrawn")
def test_every_figure_has_a_text_for_those_who_do_not_see_it() -> None:
    images = [attributes for tag, attributes in Parsed(page(open_question())).tags if tag == "img"]
    assert len(images) == 4
    assert all(len(image["alt"] or "") > 40 for image in images)
    assert "candidate not in 10 s" in (next(a for t, a in Parsed(page(blocked())).tags if t == "img")["alt"] or "")


def test_a_users_text_is_escaped() -> None:
    text = page(hostile(blocked()))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text and "\x00" not in text
    assert HOSTILE.split(" ")[0] in Parsed(text).text


def test_a_figure_holds_no_reference_to_elsewhere(written: Written) -> None:
    parsed = Parsed(written(passed)[-1].read_text(encoding="utf-8"))
    for attributes in (attributes for tag, attributes in parsed.tags if tag == "img"):
        content = base64.b64decode((attributes["src"] or "").split(",", 1)[1]).decode()
        assert 'href="http' not in content and "<script" not in content


@pytest.mark.usefixtures("no_figures")
def test_the_page_says_what_pass_means_and_what_a_labs_figures_are_worth() -> None:
    text = Parsed(page(passed())).text
    assert "shown to be within its margin" in text
    assert "They are not those of a hospital's domain controllers." in text
    assert "string-to-key" in text
    silent = Parsed(page(replace(passed(), manifest={"environment": "pre-production"}))).text
    assert "embedded domain" not in silent and "string-to-key" not in silent
    assert "chip" in Parsed(page(replace(passed(), manifest={"authentication": "smart-card"}))).text


@pytest.mark.usefixtures("no_figures")
def test_the_manifest_is_shown_whole() -> None:
    manifest = {"versions": {"krb5": "1.20.1"}, "arms": [{"kdc": "a"}, {"kdc": "b"}], "kdcs": ["x", "y"], "none": None}
    text = Parsed(page(replace(passed(), manifest=manifest))).text
    for expected in ("versions.krb5", "1.20.1", "arms[1].kdc", "x, y", "none"):
        assert expected in text


@pytest.mark.usefixtures("no_figures")
def test_metrics_that_were_not_judged_are_listed_with_their_reason() -> None:
    text = Parsed(page(blocked())).text
    assert "one arm never reached it: cold kdc_tgs_ldap p50" in text


def test_the_blame_names_the_step_its_times_and_its_part_of_the_slowdown() -> None:
    assert rows.blame(blocked()) == (
        "kdc_as, Kerberos AS exchange (RFC 4120 §3.1): 0.696 ms → given up after 10 s in cold logins, on average; "
        "100 % of all added time"
    )
    assert rows.blame(replace(blocked(), comparison=None)) == "kdc_as, Kerberos AS exchange (RFC 4120 §3.1)"
    assert rows.blame(passed()) == ""


def test_a_failed_login_counts_as_the_time_out() -> None:
    evidence = blocked()
    assert series.login_seconds(evidence, "candidate", "cold").values.tolist() == [TIMEOUT_S]
    assert series.failed_share(evidence, "candidate") == 1.0
    assert series.failed_share(evidence, "baseline") == 0.0
    assert series.failed_share(empty(), "baseline") is None


def test_logins_within_the_trim_are_left_out() -> None:
    table, design = table_of(Planted()), passed().design
    judged = shown(table, design).kept["baseline", "cold"].response_s
    whole = shown(table, replace(design, trim_s=0.0)).kept["baseline", "cold"].response_s
    assert len(judged) < 0.8 * len(whole)


@pytest.mark.usefixtures("undrawn")
def test_the_policys_discarded_pairs_are_left_out_and_shaded_where_blocks_are_shown() -> None:
    whole = passed()
    of_policy = shown(table_of(Planted(pairs=24)), whole.design, discard_pairs=2)
    evidence = replace(whole, policy=Policy(discard_pairs=2), shown=of_policy)
    counts = [len(series.login_seconds(e, "baseline", "cold")) for e in (evidence, whole)]
    assert counts[0] == pytest.approx(counts[1] * 22 / 24, rel=0.03)
    assert series.discarded_until_min(evidence) == 4 * 15.0 / 60
    assert series.discarded_until_min(whole) == 0
    assert len(series.blocks(evidence, "baseline", "cold").p50) == 24
    text = Parsed(page(evidence)).text
    assert "Discarded: the first 2 pairs of blocks, and the first 4 s of each block." in text
    assert "Shaded: discarded, and not judged." in text
    assert "Shaded" not in page(whole)
    by_means, all_means = (series.step_means(replace(e, comparison=None), "cold") for e in (evidence, whole))
    assert by_means[0].baseline_s != all_means[0].baseline_s


@pytest.mark.usefixtures("no_figures")
def test_what_shows_a_sound_measurement_stands_beside_what_is_allowed() -> None:
    text = page(replace(passed(), policy=Policy(limits=Limits(send_lag_p99_ms=17, generator_cpu=0.61))))
    for row, allowed in (("send lag, p99", "≤ 17 ms"), ("generator&#39;s use of a core", "≤ 61 %")):
        (line,) = (line for line in text.splitlines() if f">{row}<" in line)
        assert line.endswith(f'<td class="n" data-name="allowed">{allowed}</td></tr>')


def test_what_is_said_of_the_instrument_is_what_was_measured_beside_a_capture_and_of_authgate_alone() -> None:
    measured = json.loads(FIDELITY.read_text())
    for at_most_ms, quantile in ((0.1, "p50"), (0.5, "p99")):
        apart = [
            abs(recorded - captured)
            for row in measured
            if row["lab"] == "embedded"
            for recorded, captured in (step[quantile] for step in row["steps"].values())
        ]
        assert max(apart) <= at_most_ms
        assert f"{at_most_ms} ms" in instrument._FLOOR
    by_another_tool = passed()
    kept = {key: replace(each, with_own_s=each.response_s) for key, each in by_another_tool.shown.kept.items()}
    by_authgate = replace(by_another_tool, shown=replace(by_another_tool.shown, kept=kept))
    assert instrument._FLOOR in Parsed(page(by_authgate)).text
    assert instrument._FLOOR not in Parsed(page(by_another_tool)).text


def test_a_thinned_distribution_keeps_its_ends_and_its_slow_tail() -> None:
    values = np.random.default_rng(1).lognormal(size=300_000)
    time, share = series.thinned(Distribution.of(values))
    assert len(time) <= series.POINTS_AT_MOST
    assert (time[0], time[-1], share[-1]) == pytest.approx((values.min(), values.max(), 1.0))
    assert time[-3:] == pytest.approx(sorted(values)[-3:])
    assert np.allclose(np.interp([0.5, 0.95], share, time), np.quantile(values, [0.5, 0.95]), rtol=2e-3)


def test_blocks_come_in_run_order_with_their_start() -> None:
    data = series.blocks(passed(), "baseline", "cold")
    assert len(data.p50) == 24
    assert np.all(np.diff(data.start_min) > 0)
    assert np.all(data.p50 < data.p95)


def test_step_means_come_from_the_attempts_where_there_is_no_comparison() -> None:
    told, counted = (series.step_means(e, "cold") for e in (passed(), replace(passed(), comparison=None)))
    assert [part.step for part in told] == [part.step for part in counted]
    assert np.allclose([p.baseline_s for p in told], [p.baseline_s for p in counted], rtol=0.02)
    unreached = series.step_means(replace(blocked(), comparison=None), "cold")
    assert np.isnan(unreached[-1].candidate_s) and unreached[0].candidate_s == TIMEOUT_S


@pytest.mark.usefixtures("undrawn")
def test_figures_are_left_out_where_there_is_nothing_to_draw() -> None:
    assert figures.distributions(empty()) is None
    assert figures.over_time(empty()) is None
    assert figures.steps(empty()) is None
    assert forest.forest(partial()) is None
    assert "No metric could be judged" in page(empty())


def test_a_bound_that_is_not_known_is_an_arrow_and_a_margin_of_none_is_not_drawn() -> None:
    evidence = with_finding(passed(), low=None, high=np.inf)
    figure = forest.forest(evidence)
    assert figure is not None
    assert {"<", ">"} <= {str(line.get_marker()) for line in figure.axes[0].lines}
    assert svg(figure).startswith(b"<?xml")
    astronomic = forest.forest(with_finding(passed(), high=1e300))
    assert astronomic is not None and astronomic.axes[0].get_xlim()[1] < 10
    without = with_finding(passed(), margin=None)
    assert len(forest.plottable(without)) == len(forest.plottable(passed())) - 1


def test_the_forest_begins_with_the_login_and_follows_its_steps() -> None:
    steps = [finding.step for finding in forest.plottable(passed())]
    assert steps[:8] == ["login"] * 8
    assert steps[8:12] == ["kdc_as", "kdc_as", "kdc_tgs_ldap", "kdc_tgs_ldap"]


@pytest.mark.usefixtures("undrawn")
def test_a_step_that_dwarfs_the_others_is_said_to() -> None:
    assert "dwarfs" in page(blocked())
    assert "dwarfs" not in page(passed())


def test_the_reports_do_not_touch_pyplots_global_state() -> None:
    code = "import sys, harness.report.write; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("no_figures")
def test_servers_are_told_apart_where_an_arm_has_several_and_nowhere_else() -> None:
    whole = passed()
    assert not servers.lines(whole)
    rows = (
        ServerTimes("baseline", "cold", "kdc_as", "127.0.0.2:88", 90, 0.9, 0.004, 0.010),
        ServerTimes("baseline", "cold", "kdc_as", "", 10, 0.1, 10.0, 10.0),
    )
    several = replace(whole, servers=rows)
    text = Parsed(page(several)).text
    for said in ("Which server answered", "127.0.0.2:88", "no answer", "90 %"):
        assert said in text
    assert [row["server"] for row in verdict_document(several)["servers"]] == ["127.0.0.2:88", ""]
