"""The command line's promises: exit codes, and errors that a user can read."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness import __version__
from harness.cli.main import main
from harness.config import shipped
from harness.config.load import SCHEMAS, load_policy, load_scenario, load_targets
from harness.importers.attempts_csv import COLUMNS
from harness.model.site import Spread
from harness.model.target import ARMS
from harness.model.verdict import Kind
from harness.record.calibration import calibration_file, save
from tests.helpers.calibrations import CALIBRATION
from tests.helpers.documents import CANARY, SCENARIO, TARGETS

pytestmark = pytest.mark.slow

QUICK = """\
name: ci
quick: true
looks: {block_from: 3, pass_from: 6, pass_after_s: 0}
margins:
  login:
    p99: null
  failure_rate: 0.02
  slow_rate: 0.02
"""
PASS, BLOCK, INCONCLUSIVE, USAGE = 0, 10, 20, 2
ERRORS_WITHOUT_A_RUN = [
    ["no-such-command"],
    ["compare"],
    ["compare", "a", "b", "c"],
    ["compare", "a", "--attempts", "b.csv"],
    ["compare", "--attempts", "b.csv", "--trim-s", "-1"],
    ["compare", "--attempts", "b.csv", "--timeout-s", "0"],
    ["compare", "--no-such-option"],
    ["gate"],
    ["gate", "morning-rush"],
    ["gate", "morning-rush", "--targets", "right.yaml", "--rate", "5"],
    ["gate", "morning-rush", "--targets", "right.yaml", "--arm", "candidate"],
    ["gate", "morning-rush", "--targets", "right.yaml", "--soak", "0"],
    ["gate", "morning-rush", "--targets", "right.yaml", "--soak", "25"],
    ["gate", "morning-rush", "--targets", "right.yaml", "--soak", "1", "--rate", "-1"],
    ["run", "morning-rush", "--targets", "right.yaml", "--arm", "other"],
    ["schema", "no-such-kind"],
    ["calibrate", "morning-rush", "--targets", "right.yaml", "--repeats", "0"],
]


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """``main`` sets handlers for its process, which here is pytest's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in a folder of its own with files that are right; no error may show a traceback."""
    monkeypatch.chdir(tmp_path)
    Path("right.yaml").write_text(TARGETS)
    Path("rush.yaml").write_text(SCENARIO)
    Path("ci.yaml").write_text(QUICK)

    def run(*argv: str) -> Said:
        code = main(argv)
        caught = capsys.readouterr()
        assert "Traceback" not in caught.out + caught.err
        return Said(code, caught.out, caught.err)

    return run


def test_at_a_site_where_the_gate_errs_no_load_is_sent(command: Command) -> None:
    scenario, policy, targets = (
        load_scenario(Path("rush.yaml")),
        load_policy(Path("ci.yaml")),
        load_targets(Path("right.yaml")),
    )
    bad = replace(
        CALIBRATION,
        scenario_digest=scenario.workload_digest,
        policy_digest=policy.digest,
        targets={arm: target.digest for arm, target in targets.arms.items()},
        verdicts={"BLOCK": 3},
    )
    Path("results").mkdir()
    usual = calibration_file(Path("results"), scenario.name, policy.name)
    save(bad, usual)
    said = command("gate", "rush.yaml", "--targets", "right.yaml", "--policy", "ci.yaml")
    assert (said.code, said.out) == (Kind.INVALID.exit_code, "")
    assert said.err.startswith(f"INVALID: {usual}: the gate blocked 3 of 3 A/A runs of this site")
    assert list(Path("results").iterdir()) == [usual]


@pytest.mark.parametrize("argv", ERRORS_WITHOUT_A_RUN, ids=" ".join)
def test_a_usage_error_exits_with_2_and_says_it_on_one_line(command: Command, argv: list[str]) -> None:
    said = command(*argv)
    assert said.code == USAGE
    assert said.out == ""
    assert len([line for line in said.err.splitlines() if line.startswith("Error: ")]) == 1
    assert said.err.splitlines()[0].startswith("Usage: authgate")


def test_compare_says_what_it_can_judge(command: Command) -> None:
    assert "expected one run, two runs, or --attempts FILE" in command("compare").err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gate", "none.yaml", "--targets", "right.yaml"], "none.yaml: expected a readable YAML file, got: No such"),
        (["gate", "no-such", "--targets", "right.yaml"], "no-such: expected a YAML file, or one of cold-logon, "),
        (["gate", "rush.yaml", "--targets", "none.yaml"], "none.yaml: expected a readable YAML file, got: No such"),
        (["gate", "rush.yaml", "--targets", "right.yaml", "--policy", "lax"], "lax: expected a YAML file, or one of "
         "default, quick"),
        (["gate", "bad.yaml", "--targets", "right.yaml"], 'bad.yaml:12: arrivals.rate: expected a number above 0, got '
         '"fast"'),
        (["run", "bad.yaml", "--targets", "right.yaml"], "bad.yaml:12: arrivals.rate: expected"),
        (["gate", "rush.yaml", "--targets", "right.yaml"], "right.yaml:2: arms: expected candidate too, got baseline"),
        (["run", "rush.yaml", "--targets", "right.yaml"], "right.yaml:2: arms: expected candidate too, got baseline"),
        (["login", "zoe", "--targets", "right.yaml", "--arm", "candidate"], "right.yaml:2: arms: expected candidate, "
         "got baseline"),
        (["compare", "."], "manifest.json: expected a run's manifest, got: No such file or directory"),
        (["compare", ".", "."], "manifest.json: expected a run's manifest, got: No such file or directory"),
        (["compare", "rush.yaml"], "rush.yaml/manifest.json: expected a run's manifest, got: Not a directory"),
        (["report", "."], "manifest.json: expected a run's manifest, got: No such file or directory"),
        (["compare", "--attempts", "none.csv"], "none.csv: expected a readable file, got: "),
        (["compare", "--attempts", "rush.yaml"], "rush.yaml:1: expected columns arm,block,"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_exits_with_2_and_is_one_line(command: Command, argv: list[str], said: str) -> None:
    Path("bad.yaml").write_text(SCENARIO.replace("rate: 20", "rate: fast"))
    found = command(*argv)
    assert found.code == USAGE
    assert found.out == ""
    assert found.err.startswith(said)
    assert found.err.count("\n") == 1


def test_a_run_that_could_never_pass_is_refused_before_it_is_begun(command: Command) -> None:
    both = yaml.safe_load(TARGETS)
    both["arms"]["candidate"] = both["arms"]["baseline"]
    Path("both.yaml").write_text(yaml.safe_dump(both))
    Path("rush.yaml").write_text(SCENARIO + "  pairs: 5\n")
    said = command("gate", "rush.yaml", "--targets", "both.yaml")
    assert said.code == USAGE
    assert said.err.startswith("rush.yaml:16: blocks.pairs: expected at least 23, ")
    assert not Path("results").exists()


@pytest.mark.parametrize(("every", "least"), [(2, 25), (3, 23), (20, 60)])
def test_a_run_needs_its_pairs_at_the_expected_load_and_above_it(command: Command, every: int, least: int) -> None:
    """By default 12 at the expected load, 3 above it, and 660 s; the first pair is discarded."""
    both = yaml.safe_load(TARGETS)
    both["arms"]["candidate"] = both["arms"]["baseline"]
    Path("both.yaml").write_text(yaml.safe_dump(both))
    Path("rush.yaml").write_text(SCENARIO + f"  pairs: 10\nheadroom: {{every: {every}}}\n")
    said = command("gate", "rush.yaml", "--targets", "both.yaml")
    assert f"blocks.pairs: expected at least {least}, " in said.err


def test_load_on_servers_that_nobody_agreed_to_is_refused_before_it_is_sent(command: Command) -> None:
    both = yaml.safe_load(TARGETS.replace("127.0.0.1", "192.0.2.10"))
    both["arms"]["candidate"] = both["arms"]["baseline"]
    Path("outside.yaml").write_text(yaml.safe_dump(both))
    said = command("gate", "rush.yaml", "--targets", "outside.yaml")
    assert said.code == USAGE
    assert "environment: expected pre-production for 192.0.2.10, which is not loopback, got lab" in said.err
    assert not Path("results").exists()


def test_a_password_in_the_targets_is_not_said_again(command: Command) -> None:
    Path("right.yaml").write_text(TARGETS.replace("{csv: secrets/accounts.csv}", f"{{password: {CANARY}}}"))
    said = command("gate", "rush.yaml", "--targets", "right.yaml")
    assert said.code == USAGE
    assert CANARY not in said.out + said.err


@pytest.mark.parametrize("manifest", ["{}", "[]", "{", '{"format": 1}', '{"format": 1, "created": "x", "arms": []}'])
def test_a_folder_with_a_broken_manifest_is_no_crash(command: Command, manifest: str) -> None:
    Path("manifest.json").write_text(manifest)
    for argv in (["compare", "."], ["report", "."], ["compare", ".", "."]):
        said = command(*argv)
        assert said.code == USAGE
        assert said.err.startswith("manifest.json: ")
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_a_schema_is_json_and_nothing_else(command: Command, kind: str) -> None:
    said = command("schema", kind)
    assert said.code == 0
    assert json.loads(said.out) == SCHEMAS[kind].model_json_schema()


def test_the_scenarios_are_listed_by_name(command: Command) -> None:
    said = command("scenarios")
    assert said.code == 0
    for path in shipped.SCENARIOS.glob("*.yaml"):
        assert path.stem in said.out


@pytest.mark.parametrize("argv", [[], ["gate"], ["compare"], ["lab", "up"], ["demo"]], ids=" ".join)
def test_help_is_not_an_error(command: Command, argv: list[str]) -> None:
    for flag in ("-h", "--help"):
        said = command(*argv, flag)
        assert said.code == 0
        assert said.out.startswith(f"Usage: authgate{''.join(f' {word}' for word in argv)} ")


def test_the_version_is_that_of_the_package(command: Command) -> None:
    assert re.fullmatch(
        rf"authgate {re.escape(__version__)}( \([0-9a-f]{{12}}(-dirty)?\))?\n", command("--version").out
    )


def test_a_lab_that_was_never_started_is_down(command: Command) -> None:
    assert command("lab", "status").out == command("lab", "down").out == "no lab runs here\n"


@pytest.mark.parametrize(
    "state",
    ["", "{", "[]", "{}", "\0", '{"processes": {"supervisor": 1}}',
     '{"kind": "embedded", "processes": {}, "ports": {}}',
     '{"kind": "embedded", "processes": {"supervisor": {"pid": Infinity, "started": 1}}, "ports": {}}',
     '{"kind": "embedded", "processes": {"supervisor": {"pid": "/", "started": 1}}, "ports": {}}'],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["status", "down"])
def test_a_lab_whose_state_is_broken_is_no_crash(command: Command, verb: str, state: str) -> None:
    Path(".authgate-lab").mkdir()
    Path(".authgate-lab/lab.json").write_text(state)
    said = command("lab", verb)
    assert said.code == USAGE
    assert said.err.startswith(".authgate-lab/lab.json: expected what authgate lab up writes there, got something else")
    assert said.err.count("\n") == 1


def test_a_lab_in_a_folder_that_can_not_be_is_no_crash(command: Command) -> None:
    Path(".authgate-lab").write_text("")
    said = command("lab", "up")
    assert (said.code, said.err) == (
        USAGE,
        ".authgate-lab: expected a folder that a lab can write to, got: File exists\n",
    )
    assert command("lab", "status").out == command("lab", "down").out == "no lab runs here\n"


def test_the_command_line_can_be_imported_without_patching_the_process() -> None:
    code = "import sys, harness.cli.main; print([m for m in ('gevent', 'locust') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_process_that_crashes_is_not_taken_for_a_verdict(tmp_path: Path) -> None:
    """1 is what Python gives for an exception, so that no verdict may use it."""
    code = "import harness.cli.compare as c; c.foreign_evidence = lambda *_: 1 / 0; "
    code += "import harness.cli.main; harness.cli.main.run_main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", "--attempts", "x.csv", "--policy", "quick"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(shipped.HOME)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def attempts_csv(path: Path, *, pairs: int = 14, slower: float = 1.0, failing: float = 0.0, order: str = "") -> None:
    """Blocks of 15 s with 100 logins each, of which the step ``bind`` is two thirds; ``slower`` strikes it alone."""
    rng = np.random.default_rng(2016)
    letters = order or "".join(rng.choice(["AB", "BA"]) for _ in range(pairs))
    rows = [",".join(COLUMNS)]
    for block, letter in enumerate(letters):
        arm = ARMS["AB".index(letter)]
        due = block * 15.0 + np.sort(rng.uniform(0, 15, 100))
        bind = 0.2 * np.exp(rng.normal(0, 0.2, 100)) * (slower if letter == "B" else 1.0)
        rest = 0.1 * np.exp(rng.normal(0, 0.2, 100))
        ok = rng.uniform(size=100) >= (failing if letter == "B" else 0.0)
        for at, step_s, login_s, good in zip(due, bind, bind + rest, ok, strict=True):
            rows += [f"{arm},{block},{at:.6f},bind,{step_s:.6f},{int(good)}"]
            rows += [f"{arm},{block},{at:.6f},login,{login_s:.6f},{int(good)}"]
    path.write_text("\n".join(rows) + "\n")


def test_an_update_that_changes_nothing_exits_with_0(command: Command) -> None:
    attempts_csv(Path("a.csv"))
    said = command("compare", "--attempts", "a.csv", "--policy", "ci.yaml")
    assert said.code == PASS, said.out
    assert "PASS" in said.out


def test_an_update_that_slows_a_step_exits_with_10_and_the_step_is_named(command: Command) -> None:
    attempts_csv(Path("a.csv"), slower=1.6)
    said = command("compare", "--attempts", "a.csv", "--policy", "ci.yaml")
    assert said.code == BLOCK, said.out
    assert "BLOCK" in said.out
    assert "bind" in said.out


def test_an_update_that_fails_logins_exits_with_10(command: Command) -> None:
    attempts_csv(Path("a.csv"), failing=0.2)
    assert command("compare", "--attempts", "a.csv", "--policy", "ci.yaml").code == BLOCK


def test_an_update_that_makes_logins_faster_exits_with_0(command: Command) -> None:
    attempts_csv(Path("a.csv"), slower=0.5)
    assert command("compare", "--attempts", "a.csv", "--policy", "ci.yaml").code == PASS


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_too_few_pairs_exit_with_20(command: Command, pairs: int) -> None:
    attempts_csv(Path("a.csv"), pairs=pairs)
    said = command("compare", "--attempts", "a.csv", "--policy", "ci.yaml")
    assert said.code == INCONCLUSIVE, said.out
    assert "INCONCLUSIVE" in said.out


def test_arms_that_were_measured_one_after_the_other_never_exit_with_0(command: Command) -> None:
    attempts_csv(Path("a.csv"), order="A" * 14 + "B" * 14)
    assert command("compare", "--attempts", "a.csv", "--policy", "ci.yaml").code == INCONCLUSIVE


def test_arms_measured_one_after_the_other_block_by_a_gross_change_where_levels_are_known(command: Command) -> None:
    attempts_csv(Path("a.csv"), order="A" * 14 + "B" * 14, slower=4.0)
    judged = ("compare", "--attempts", "a.csv", "--policy", "ci.yaml")
    said = command(*judged, "--out", "out")
    assert said.code == INCONCLUSIVE
    assert "authgate gate" in " ".join(said.out.split())
    assert {part["quantile"] for part in json.loads(Path("out/verdict.json").read_text())["anatomy"]} == {
        "p50",
        "p95",
        "p99",
    }
    noise = replace(CALIBRATION.noise[0], levels=Spread(0.03, 7, 0.06))
    save(replace(CALIBRATION, noise=(noise,)), Path("c.json"))
    assert command(*judged, "--calibration", "c.json").code == BLOCK
    hour = {"began": "2026-11-18T08:00:00+00:00", "measured": "2026-11-18T08:03:00+00:00"}
    save(replace(CALIBRATION, noise=(noise,), **hour), Path("c.json"))
    assert command(*judged, "--calibration", "c.json").code == INCONCLUSIVE
    assert command(*judged, "--calibration", "none.json").code == USAGE


def test_a_pass_of_the_default_policy_needs_more_than_a_few_minutes(command: Command) -> None:
    attempts_csv(Path("a.csv"))
    assert command("compare", "--attempts", "a.csv").code == INCONCLUSIVE


def test_nothing_left_after_the_trim_is_no_pass(command: Command) -> None:
    attempts_csv(Path("a.csv"))
    said = command("compare", "--attempts", "a.csv", "--policy", "ci.yaml", "--trim-s", "60")
    assert said.code not in (PASS, 1), said.out


def test_two_logins_are_enough_for_an_answer_and_never_for_a_pass(command: Command) -> None:
    rows = ["baseline,0,1,login,0.1,1", "candidate,0,1,login,0.1,1"]
    Path("a.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    assert command("compare", "--attempts", "a.csv", "--policy", "ci.yaml").code == INCONCLUSIVE


def test_reports_are_written_where_asked_for(command: Command) -> None:
    attempts_csv(Path("a.csv"), slower=1.6)
    assert command("compare", "--attempts", "a.csv", "--policy", "ci.yaml", "--out", "reports/a").code == BLOCK
    assert (Path("reports/a") / "report.html").stat().st_size > 10_000


def test_reports_that_can_not_be_written_are_said_and_the_verdict_stands(command: Command) -> None:
    attempts_csv(Path("a.csv"), pairs=2)
    said = command("compare", "--attempts", "a.csv", "--policy", "ci.yaml", "--out", "a.csv")
    assert said.code == Kind.INCONCLUSIVE.exit_code  # the verdict is not lost with its reports
    assert "INCONCLUSIVE" in said.out
    assert said.err == "a.csv: expected a folder to write reports to, got: File exists\n"
