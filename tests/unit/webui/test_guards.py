"""Every way in has the command line's guards: the form of a plain test, and the gate's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.load.asked import AskedError, asked_of
from harness.webui.choices import scenario_choices, target_choices
from harness.webui.host import wanted_of
from tests.helpers.documents import POLICY, SCENARIO, TARGETS

FORM = {"scenario": "s.yaml", "targets": "t.yaml", "policy": "p.yaml", "arm": "baseline"}
BOTH = TARGETS + TARGETS[TARGETS.index("  baseline:") :].replace("baseline", "candidate")
Form = Callable[[Mapping[str, str]], object]
WAYS: dict[str, Form] = {"plain": asked_of, "gate": lambda form: wanted_of(form, Path("results"))}
every_way = pytest.mark.parametrize("enter", WAYS.values(), ids=WAYS.keys())


@pytest.fixture(autouse=True)
def _inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("s.yaml", SCENARIO), ("t.yaml", BOTH), ("p.yaml", POLICY)):
        Path(name).write_text(text, encoding="utf-8")


@every_way
def test_what_the_command_line_takes_every_form_takes(enter: Form) -> None:
    enter(FORM)


@every_way
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("127.0.0.1:389", "192.0.2.7:389", "environment: expected pre-production for 192.0.2.7"),
        ("environment: lab", "environment: lab\nmax_rate: 1", "max_rate: expected a scenario"),
    ],
)
def test_load_that_nobody_has_agreed_to_is_refused_beside_its_field(enter: Form, old: str, new: str, said: str) -> None:
    Path("t.yaml").write_text(BOTH.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AskedError) as refused:
        enter(FORM)
    assert said in refused.value.fields["targets"]


def test_forms_offer_what_is_shipped_and_the_files_of_targets_that_are_there() -> None:
    Path("notes.yaml").write_text("arms", encoding="utf-8")
    Path("broken.yaml").write_text("a: [", encoding="utf-8")
    assert {"morning-rush", "night-shift"} <= {found["name"] for found in scenario_choices()}
    assert target_choices(["nowhere.yaml"]) == [{"file": "t.yaml", "arms": ["baseline", "candidate"], "lab": ""}]
