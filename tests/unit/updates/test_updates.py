"""The catalogue: every entry can be replayed as it is written, and an entry that can't be says where it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from harness.cli.main import cli
from harness.cli.updates import in_words
from harness.config import shipped
from harness.config.load import load_update
from harness.errors import ConfigError
from harness.lab import changes as embedded
from harness.lab import directory, kdc
from harness.lab.ad import changes as ad
from harness.lab.tools import Tools
from harness.model.failures import Cause, CausePart, FailureAnatomy
from harness.model.steps import steps_of
from harness.model.update import Update
from harness.model.verdict import Kind
from harness.updates.replay import blamed_step, outcome_of, policy_of, scenario_of
from tests.helpers.evidence_samples import Planted, blocked, evidence_of, passed

FILES = sorted(shipped.UPDATES.glob("*.yaml"))
ELSEWHERE = Tools({}, Path("/nowhere"), None)


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def update(request: pytest.FixtureRequest) -> Update:
    return load_update(request.param)


def test_the_catalogue_has_20_entries_and_more() -> None:
    assert len(FILES) >= 20


def test_an_entry_is_called_like_its_file_and_says_what_is_known_and_what_is_concluded(
    update: Update, request: pytest.FixtureRequest
) -> None:
    assert f"[{update.name}]" in request.node.name
    assert update.fault.changes or update.fault.relay
    assert any(source.standing != "inferred" for source in update.sources) or not update.ids


def test_an_entrys_run_is_sound_and_takes_the_steps_that_may_be_blamed(update: Update) -> None:
    scenario, policy = scenario_of(update), policy_of(update)
    taken = {step for cache in ("cold", "warm") for step in steps_of(scenario.steps, cache)}
    assert set(update.expected.steps) <= taken
    assert scenario.blocks.pairs >= policy.looks.pass_from + policy.discard_pairs
    assert scenario.duration_s <= 300
    assert update.expected.verdict == "PASS" or update.expected.steps


def test_the_changes_of_an_entry_are_those_of_its_lab(update: Update) -> None:
    parse = ad.parse_change if update.fault.lab == "ad" else embedded.parse_change
    for name in (*update.fault.common, *update.fault.changes):
        assert parse(name).name == name


def test_everything_that_an_entry_says_is_shown(update: Update) -> None:
    shown = CliRunner().invoke(cli, ["updates", "show", update.name], standalone_mode=False)
    assert shown.exit_code == 0
    said = "".join(shown.output.split())
    for text in (update.title, update.mechanism, update.fault.why, *(source.text for source in update.sources)):
        assert "".join(text.split()) in said
    for name in (*update.ids, *update.fault.common, *update.fault.changes, *map(in_words, update.fault.relay)):
        assert "".join(name.split()) in said
    for source in update.sources:
        assert source.standing in said and (source.url is None or str(source.url) in said)


def test_the_catalogue_is_listed_by_name() -> None:
    shown = CliRunner().invoke(cli, ["updates", "list"], standalone_mode=False)
    assert all(path.stem in shown.output for path in FILES)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="uppsala-2016"):
        shipped.find("upsala", shipped.UPDATES)


ENTRY: dict[str, Any] = yaml.safe_load((shipped.UPDATES / "uppsala-2016.yaml").read_text(encoding="utf-8"))
HOLD = {"kind": "hold", "at": "ldap", "hold_s": 4.5, "workers": 16}
WRONG = [
    (
        {"relay": [HOLD, {"kind": "delay", "at": "kdc_as", "s": 4.5, "share": 2}]},
        r"relay\.1\.share: .* at most 1, got 2",
    ),
    ({"relay": [{**HOLD, "hold_s": "long"}]}, r'relay\.0\.hold_s: expected a number above 0, got "long"'),
    ({"relay": [{**HOLD, "wokers": 1}]}, r"relay\.0\.wokers: unknown key; did you mean workers\?"),
    ({"relay": [{**HOLD, "kind": "held"}]}, r"relay\.0\.kind: expected one of 'hold', .*, got \"held\""),
    ({"relay": [{**HOLD, "at": "dns"}]}, r"fault: expected lab ad for a fault at dns, got embedded"),
    ({"lab": "ad", "relay": [{**HOLD, "at": "ldap_bind"}]}, r"fault: expected at: ldap on lab ad, .* got ldap_bind"),
    ({"lab": "azure"}, r"fault\.lab: expected 'embedded' or 'ad', got \"azure\""),
]


@pytest.mark.parametrize(("fault", "said"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_in_an_entry_is_said_with_file_line_and_key(
    fault: dict[str, object], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "entry.yaml"
    path.write_text(yaml.safe_dump({**ENTRY, "fault": {**ENTRY["fault"], **fault}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"entry\.yaml:[0-9]+: .*{said}"):
        load_update(path)


def test_steps_and_overrides_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "entry.yaml"
    wrong = {"expected": {**ENTRY["expected"], "steps": ["ldap_bnd"]}}
    path.write_text(yaml.safe_dump(ENTRY | wrong), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected\.steps: expected steps among"):
        load_update(path)
    path.write_text(yaml.safe_dump({**ENTRY, "run": {**ENTRY["run"], "steps": ["ldap_bind"]}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"update uppsala-2016: run\.steps: .*before ldap_bind"):
        scenario_of(load_update(path))


@pytest.mark.parametrize(
    "spelling",
    ["kdc-writes", "no-uid-index", "rsa-4096-certificate", "tls-for-simple-binds", "starttls", "pbkdf2=1000",
     "argon2=8192", "bcrypt=5", "cpu-quota=30", "cards-untrusted", "kdc-datagram=400", "directory-threads=2",
     "others=5"],
)  # fmt: skip
def test_a_change_of_the_embedded_domain_is_found_by_its_name_and_changes_something(spelling: str) -> None:
    change = embedded.parse_change(spelling)
    assert change.name == spelling
    assert embedded.settings_of((change,)) != embedded.Settings()


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "pbkdf2",
        "pbkdf2=0",
        "pbkdf2=many",
        "argon2=7",
        "bcrypt=3",
        "bcrypt=17",
        "directory-threads=1",
        "ehr-workers=1",
    ],
)
def test_a_change_that_the_embedded_domain_does_not_know_is_refused(wrong: str) -> None:
    with pytest.raises(embedded.LabError, match="expected"):
        embedded.parse_change(wrong)


def test_arms_without_a_change_have_the_configuration_of_before() -> None:
    folder = Path("/clone")
    assert kdc.configuration(folder, 88) == kdc.configuration(folder, 88, embedded.Settings())
    text = directory.configuration(ELSEWHERE, folder)
    assert "index uid eq" in text and "\nsecurity" not in text and "pbkdf2" not in text
    assert "disable_lockout = true" in kdc.configuration(folder, 88)
    check = embedded.settings_of(tuple(map(embedded.parse_change, ("kdc-writes", "kdc-datagram=400", "no-uid-index"))))
    assert "disable_lockout = false" in kdc.configuration(folder, 88, check)
    assert "kdc_max_dgram_reply_size = 400\n" in kdc.configuration(folder, 88, check)
    assert "index uid eq" not in directory.configuration(ELSEWHERE, folder, check)


def test_an_outcome_is_right_by_verdict_and_step_and_failures_are_laid_to_the_step_that_fails() -> None:
    entry = load_update(shipped.UPDATES / "uppsala-2016.yaml")
    slow = blocked()
    assert slow.verdict.blamed_step is not None
    for steps, right in (((slow.verdict.blamed_step,), True), (("dns_a",), False), ((), True)):
        expected = entry.expected.model_copy(update={"steps": steps})
        outcome = outcome_of(entry.model_copy(update={"expected": expected}), slow)
        assert (outcome.verdict, outcome.as_expected) == ("BLOCK", right)
    assert not outcome_of(entry, passed()).as_expected

    cause = CausePart(Cause("ldap_bind", "error", "CONNECTION_LOST"), 0.0, 0.4, 0.4, 0.3, 0.5, 1.0, 0.9, 1.0)
    failing = replace(
        slow,
        failures=FailureAnatomy(0.4, 0.3, 0.5, (cause,)),
        verdict=replace(slow.verdict, blamed_step=None),
    )
    assert blamed_step(failing) == "ldap_bind"
    assert blamed_step(evidence_of(Planted(dead="ldap_bind"), Kind.BLOCK, "denied")) == "ldap_bind"
    assert blamed_step(evidence_of(Planted(), Kind.BLOCK, "too slow in all")) is None
    unsure = replace(failing, failures=FailureAnatomy(0.4, -0.1, 0.9, (cause,)))
    assert blamed_step(unsure) is None
