"""What docs/attempts.md tells its reader to write is what is read: its scripts are run here, but for k6's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.importers.attempts_csv import COLUMNS, LOGIN_ID, read_attempts
from harness.importers.foreign import Foreign
from harness.model.target import ARMS

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "attempts.md"
NOT_RUN = "# Not run by the tests: "
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
SCRIPTS = {name: text for block in BLOCKS for name, text in SCRIPT.findall(block)}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, with the page's scripts."""
    monkeypatch.chdir(tmp_path)
    for name, text in SCRIPTS.items():
        Path(name).write_text(text, encoding="utf-8")


def filtered(script: str, source: str, out: str) -> Foreign:
    """What a script of the page makes of a file."""
    with Path(source).open(encoding="utf-8") as given, Path(out).open("w", encoding="utf-8") as made:
        subprocess.run([sys.executable, script], stdin=given, stdout=made, check=True, timeout=60)
    return read_attempts(Path(out), 0.0, 10.0)


def requests(path: Path, logins: int = 60) -> None:
    """Requests of two steps a login on both arms at once, in no order, of which each tenth login fails."""
    rng = np.random.default_rng(1)
    rows = []
    for arm in ARMS:
        for number, at in enumerate(np.sort(rng.uniform(0, 60, logins))):
            form_s, post_s = rng.uniform(0.01, 0.02), rng.uniform(0.1, 0.2)
            start = 1_750_000_000 + at
            rows.append(f"{arm},{number},{start:.6f},form,{form_s:.6f},True")
            rows.append(f"{arm},{number},{start + form_s:.6f},post,{post_s:.6f},{number % 10 != 0}")
    rng.shuffle(rows)
    path.write_text("\n".join(["arm,login,start,step,seconds,ok", *rows]) + "\n")


def test_every_script_of_the_page_is_run_or_says_why_not() -> None:
    assert set(SCRIPTS) == {"measure.sh", "whole_logins.py", "both.js", "k6_attempts.py"}
    for block in BLOCKS:
        assert block.startswith(NOT_RUN) == ("both.js" in block)


def test_the_columns_that_the_page_names_are_those_that_are_read() -> None:
    named = re.findall(
        r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    )
    assert named == [*COLUMNS, LOGIN_ID]


def test_the_shell_script_sends_logins_when_they_are_due_and_its_file_is_read() -> None:
    (block,) = [block for block in BLOCKS if "measure.sh" in block]
    subprocess.run(["bash", "-c", block], check=True, timeout=60)
    table = read_attempts(Path("attempts-shell.csv"), 0.0, 10.0).table
    assert len(table) == 40
    due = np.sort(table.intended_s)
    np.testing.assert_allclose(due, np.arange(40) / 10, atol=1e-9)
    assert (np.bincount(table.pair * 2 + table.arm) == 10).all()
    assert (table.response_s > 0.05).all()
    assert table.status.tolist() == [0] * 40
    said = subprocess.run(
        ["bash", "measure.sh", "1", "1", "2", "true", "false"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert {(line.split(",")[0], line.split(",")[5]) for line in said[1:]} == {
        ("baseline", "true"),
        ("candidate", "false"),
    }


def test_the_script_for_a_table_of_requests_adds_the_whole_logins() -> None:
    requests(Path("requests.csv"))
    found = filtered("whole_logins.py", "requests.csv", "attempts.csv")
    table = found.table
    assert len(table) == 120
    assert found.how == "at once"
    assert found.pairs == (0, 1, 2, 3)
    steps_s = sum(np.bincount(step.row, weights=step.service_s) for step in table.steps.values())
    np.testing.assert_allclose(table.response_s, steps_s, atol=5e-6)
    assert int((table.status != 0).sum()) == 12


def test_the_script_for_k6_makes_attempts_of_its_csv() -> None:
    header = ("metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,"
              "scenario,service,status,subproto,tls_version,url,extra_tags,metadata")  # fmt: skip
    rng = np.random.default_rng(1)
    lines = [header]
    for arm in ARMS:
        for number, at in enumerate(np.sort(rng.uniform(0, 60, 60))):
            form_ms, post_ms = rng.uniform(10, 20), rng.uniform(100, 200)
            start_us = 1_750_000_000_000_000 + at * 1e6
            good = str(number % 10 != 0).lower()
            for metric, end_ms, took_ms, ok, name in (
                ("http_reqs", form_ms, 1.0, "true", "form"),
                ("http_req_duration", form_ms, form_ms, "true", "form"),
                ("http_req_duration", form_ms + post_ms, post_ms, good, "post"),
                ("group_duration", form_ms + post_ms + 1, form_ms + post_ms + 1, "", ""),
            ):
                lines.append(
                    f"{metric},{start_us + end_ms * 1e3:.0f},{took_ms:f},,,,{ok},::login,GET,{name},HTTP/1.1,{arm},,"
                    f"200,,,u,login={number},"
                )
    Path("k6.csv").write_text("\n".join(lines) + "\n")
    found = filtered("k6_attempts.py", "k6.csv", "attempts.csv")
    table = found.table
    assert len(table) == 120
    assert found.steps == ("form", "post")
    steps_s = sum(np.bincount(step.row, weights=step.service_s) for step in table.steps.values())
    np.testing.assert_allclose(table.response_s, steps_s + 1e-3, atol=5e-6)
    assert int((table.status != 0).sum()) == 12
