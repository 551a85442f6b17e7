"""A file that can't be used says where, what was expected, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from harness.config import shipped
from harness.config.load import SCHEMAS, load_policy, load_scenario, load_targets
from harness.errors import ConfigError
from harness.model.policy import Policy
from tests.helpers.documents import CANARY, POLICY, SCENARIO, TARGETS, Load, error_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def scenario_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """What is said of the scenario after one replacement in its text."""
    monkeypatch.chdir(tmp_path)

    def said(old: str, new: str) -> str:
        assert old in SCENARIO
        return error_of(load_scenario, Path("rush.yaml"), SCENARIO.replace(old, new, 1))

    return said


@pytest.fixture
def targets_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """What is said of the targets after one replacement in their text."""
    monkeypatch.chdir(tmp_path)

    def said(old: str, new: str) -> str:
        assert old in TARGETS
        return error_of(load_targets, Path("t.yaml"), TARGETS.replace(old, new, 1))

    return said


Said = Callable[[str, str], str]


def test_the_documents_that_the_errors_start_from_are_right(tmp_path: Path) -> None:
    for load, text in ((load_scenario, SCENARIO), (load_targets, TARGETS), (load_policy, POLICY)):
        path = tmp_path / "right.yaml"
        path.write_text(text)
        load(path)


def test_an_error_names_file_line_key_path_and_what_was_expected_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    said = error_of(load_scenario, Path("scenarios/rush.yaml"), SCENARIO.replace("rate: 20", "rate: fast"))
    assert said == 'scenarios/rush.yaml:12: arrivals.rate: expected a number above 0, got "fast"'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  trim_s: 4", "  trim: 4", "rush.yaml:15: blocks.trim: unknown key; did you mean trim_s?"),
        ("timeout_s: 10", "timout_s: 10", "rush.yaml:6: timout_s: unknown key; did you mean timeout_s?"),
        ("  trim_s: 4", "  zz: 4", "rush.yaml:15: blocks.zz: unknown key; expected one of design, length_s, "
         "trim_s, pairs, per_pair"),
        ("  rate: 20", "  rate: 20\n  rates: 1", "rush.yaml:13: arrivals.rates: unknown key; did you mean rate?"),
        ("  trim_s: 4", "  trim_s: 4\n  '[key]': 1", "rush.yaml:16: blocks.[key]: unknown key; expected one of "
         "design, length_s, trim_s, pairs, per_pair"),
        ("  rate: 20", "  rate: 20\n  constant: 1", "rush.yaml:13: arrivals.constant: unknown key; expected one of "
         "curve, rate"),
        ("  users: 100\n", "", "rush.yaml:3: population.users: expected a value, got none"),
        ("  users: 100", "  users: many", 'rush.yaml:4: population.users: expected a whole number above 0, got "many"'),
        ("  users: 100", "  users: 0", "rush.yaml:4: population.users: expected a number above 0, got 0"),
        ("cold_share: 0.5", "cold_share: 2", "rush.yaml:5: population.cold_share: expected a number of at most 1, "
         "got 2"),
        ("cold_share: 0.5", "cold_share: .nan", "rush.yaml:5: population.cold_share: expected a number of at most 1, "
         "got nan"),
        ("rate: 20", "rate: -1", "rush.yaml:12: arrivals.rate: expected a number above 0, got -1"),
        ("rate: 20", "rate:", "rush.yaml:12: arrivals.rate: expected a number above 0, got nothing"),
        ("rate: 20", "rate: [1]", "rush.yaml:12: arrivals.rate: expected a number above 0, got a list"),
        ("curve: constant", "curve: sinus", "rush.yaml:11: arrivals.curve: expected one of 'constant', 'ramp', "
         '\'bursts\', \'ladder\', got "sinus"'),
        ("  curve: constant\n", "", "rush.yaml:10: arrivals.curve: expected a value, got none"),
        ("trim_s: 4", "trim_s: 15", "rush.yaml:13: blocks: expected trim_s below length_s (15), got 15"),
        ("name: rush", 'name: "a\\nb\\e[31m"', "rush.yaml:1: name: expected lower-case letters, digits and hyphens, "
         "got \"a\\nb\\x1b[31m\""),
        ("[kdc_as, kdc_tgs_ldap, ldap_connect, ldap_bind]", "kdc_as",
         'rush.yaml:2: steps: expected a list, got "kdc_as"'),
        ("[kdc_as, ", "[", "rush.yaml:2: steps: expected kdc_as before kdc_tgs_ldap"),
        ("[kdc_as, ", "[kdc_as, kdc_as, ", "rush.yaml:2: steps: expected each step once, got 'kdc_as' again"),
        ("rate: 20", "rate: 0x" + "f" * 500, "rush.yaml:12: arrivals.rate: expected a number above 0, got a number "
         "too large to show"),
        ("  users: 100", "  users: -0x" + "f" * 5000, "rush.yaml:4: population.users: expected a number above 0, "
         "got a number too large to show"),
        ("timeout_s: 10\n", "timeout_s: 10\n3: 4\n", "rush.yaml:7: 3: keys should be strings, got 3"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_where_it_stands(scenario_error: Said, old: str, new: str, expected: str) -> None:
    assert scenario_error(old, new) == expected


def test_every_mistake_of_a_file_is_told_at_once(scenario_error: Said) -> None:
    said = scenario_error("  users: 100\n  cold_share: 0.5", "  users: few\n  cold: 2").splitlines()
    assert [line.split(" ")[0] for line in said] == ["rush.yaml:4:", "rush.yaml:5:"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("timeout_s: 10", "timeout_s: 10\ntimeout_s: 11", "rush.yaml:7: timeout_s: expected each key once, got it "
         "again"),
        ("rate: 20", "rate: 20\n  rate: 20", "rush.yaml:13: arrivals.rate: expected each key once, got it again"),
        ("[kdc_as,", "[{a: 1, a: 2},", "rush.yaml:2: steps.0.a: expected each key once, got it again"),
        ("name: rush", "? !!str {=: x}\n: 1\nname: rush", "rush.yaml:1: x: unknown key"),
    ],
)  # fmt: skip
def test_a_repeated_key_is_an_error_at_its_second_place(
    scenario_error: Said, old: str, new: str, expected: str
) -> None:
    assert scenario_error(old, new).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "x.yaml:1: expected keys and values of a scenario, got nothing"),
        ("# nothing but a comment\n", "x.yaml:1: expected keys and values of a scenario, got nothing"),
        ("- a\n- b\n", "x.yaml:1: expected keys and values of a scenario, got a list"),
        ("rush\n", 'x.yaml:1: expected keys and values of a scenario, got text'),
        ("name: a\nsteps: [b\n", "x.yaml:3: expected YAML, got: expected ',' or ']', but got '<stream end>'"),
        ("name: a\n\tb: c\n", "x.yaml:2: expected YAML, got: found character '\\t' that cannot start any token"),
        (b"name: a\nseed: \xff\n", "x.yaml:2: expected text in UTF-8"),
        (b"\x80\x04\x95binary", "x.yaml:1: expected text in UTF-8"),
        ("name: a\nseed: \0\n", "x.yaml:2: expected YAML, got: a character that may not be in it (U+0000)"),
        ("name: !!python/name:os.system x\n", "x.yaml:1: expected YAML, got: could not determine a constructor for "
         "the tag"),
        ("name: a\nseed: 2001-99-99\n", "x.yaml:2: expected YAML, got: a date or a number that can't be"),
        ("name: a\nseed:\n- !!int b\n", "x.yaml:3: expected YAML, got: a date or a number that can't be"),
        ("name: a\nseed: !!timestamp b\n", "x.yaml:2: expected YAML, got: a date or a number that can't be"),
        ("name: a\nseed: !!bool b\n", "x.yaml:2: expected YAML, got: a date or a number that can't be"),
        ("name: a\nseed: " + "9" * 5000, "x.yaml:2: expected YAML, got: a date or a number that can't be"),
        ("a: " + "[" * 5000, "x.yaml:1: expected YAML, got: lists or mappings nested too deep"),
        ("a: &a [*a]\n", "x.yaml:1: name: expected a value, got none"),
        ("name: a\n" + "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9 if i else ['x'])}]\n" for i in range(30)),
         "x.yaml:1: population: expected a value, got none"),
    ],
)  # fmt: skip
def test_what_is_not_a_scenario_at_all_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert error_of(load_scenario, Path("x.yaml"), content).splitlines()[0] == expected


@pytest.mark.parametrize("load", [load_scenario, load_targets, load_policy])
def test_a_missing_file_or_a_folder_is_an_error_of_the_user(tmp_path: Path, load: Load) -> None:
    for path, problem in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == f"{path}: expected a readable YAML file, got: {problem}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  baseline:", "  base:", "t.yaml:3: arms.base: expected 'baseline' or 'candidate', got \"base\""),
        ("  baseline:", "  7:", "t.yaml:3: arms.7: expected 'baseline' or 'candidate', got 7"),
        ('"127.0.0.1:88"', '"127.0.0.1:x"', "t.yaml:5: arms.baseline.kdcs: expected host:port, got '127.0.0.1:x'"),
        ('"127.0.0.1:88"', '"a:²"', "t.yaml:5: arms.baseline.kdcs: expected host:port, got 'a:²'"),
        ('"127.0.0.1:88"', '"127.0.0.1:99999"', "t.yaml:5: arms.baseline.kdcs.0.port: expected a number below 65536, "
         "got 99999"),
        ('"127.0.0.1:88"', "{host: a, prot: 88}", "t.yaml:5: arms.baseline.kdcs.0.port: expected a value, got none"),
        ('"127.0.0.1:88", "[::1]:88"', '"kdc 1"', "t.yaml:5: arms.baseline.kdcs.0.host: expected a host name or an "
         'address, got "kdc 1"'),
        ('"[::1]:88"', r'"k}\n[realms]:88"', "t.yaml:5: arms.baseline.kdcs.1.host: expected a host name or an address, "
         r'got "k}\n[realms]"'),
        ('"[::1]:88"', r'"[fe80::1%a\nb]:88"', "t.yaml:5: arms.baseline.kdcs.1.host: expected a host name or an "
         r'address, got "fe80::1%a\nb"'),
        ('["127.0.0.1:88", "[::1]:88"]', "[]", "t.yaml:5: arms.baseline.kdcs: expected a KDC or more, got none"),
        ("dc.clinic.test", '"dc clinic"', "t.yaml:8: arms.baseline.directory.service_host: expected a host name or an "
         'address, got "dc clinic"'),
        ("dc.clinic.test", r'"dc\e[31m"', "t.yaml:8: arms.baseline.directory.service_host: expected a host name or an "
         r'address, got "dc\x1b[31m"'),
        ("127.0.0.1:389", "dc clinic", "t.yaml:7: arms.baseline.directory.uri: expected a host and a port from "
         "1 to 65535, got 'ldap://dc clinic'"),
        ("127.0.0.1:389", "127.0.0.1:99999", "t.yaml:7: arms.baseline.directory.uri: expected a host and a port from "
         "1 to 65535, got 'ldap://127.0.0.1:99999'"),
        ("127.0.0.1:389", ":389", "t.yaml:7: arms.baseline.directory.uri: expected a host and a port from 1 to 65535, "
         "got 'ldap://:389'"),
        ("127.0.0.1:389", "h:port", "t.yaml:7: arms.baseline.directory.uri: expected host:port, got 'h:port'"),
        ("realm: CLINIC.TEST", "realm: 'CLINIC TEST'", "t.yaml:4: arms.baseline.realm: string should match pattern"),
        ("environment: lab", "environment: production", "t.yaml:1: environment: expected 'lab' or 'pre-production', "
         'got "production"'),
        ("environment: lab", "allow: [192.0.2.1/24]", "t.yaml:1: allow.0: value is not a valid IPv4 or IPv6 network"),
        ("{csv: secrets/accounts.csv}", "{}", "t.yaml:12: arms.baseline.credentials: expected exactly one of csv, "
         "keytab, env"),
        ("{csv: secrets/accounts.csv}", "{smart_cards: {folder: cards}}", "t.yaml:12: "
         "arms.baseline.credentials.smart_cards.anchors: expected a value, got none"),
        ("accounts.csv}", "accounts.csv, keytab: k, smart_cards: {folder: cards, anchors: ca.pem}}", "t.yaml:12: "
         "arms.baseline.credentials: expected exactly one of csv, keytab, env, or smart_cards in its place"),
        ("accounts.csv}", "accounts.csv, env: X}", "t.yaml:12: arms.baseline.credentials: expected exactly one of "
         "csv, keytab, env"),
    ],
)  # fmt: skip
def test_each_mistake_in_targets_is_named_where_it_stands(
    targets_error: Said, old: str, new: str, expected: str
) -> None:
    assert targets_error(old, new).splitlines()[0].startswith(expected)


@pytest.mark.parametrize(
    "written",
    [
        CANARY,
        f"[{CANARY}]",
        f"{{csv: [{CANARY}]}}",
        f"{{csv: {{clinician: {CANARY}}}}}",
        f"{{password: {CANARY}}}",
        f"{{csv: a.csv, password: {CANARY}}}",
        f"{{csv: *{CANARY}}}",
        f"{{csv: !{CANARY} x}}",
        f"{{csv: !{CANARY}!a x}}",
        f"{{csv: !!{CANARY} x}}",
        f"{{csv: a.csv, keytab: {CANARY}}}",
        f'{{csv: "{CANARY}}}',
    ],
)
def test_a_value_beneath_credentials_is_never_quoted(targets_error: Said, written: str) -> None:
    said = targets_error("{csv: secrets/accounts.csv}", written)
    assert CANARY not in said
    assert said.startswith("t.yaml:1")


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_loads_and_is_called_as_its_file(path: Path) -> None:
    assert load_scenario(path).name == path.stem
    assert shipped.find(path.stem, shipped.SCENARIOS) == path


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios" / "policies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_policy_loads_and_is_called_as_its_file(path: Path) -> None:
    assert load_policy(path).name == path.stem


def test_the_shipped_default_policy_is_what_a_policy_that_says_nothing_means() -> None:
    written = load_policy(shipped.find("default", shipped.POLICIES))
    assert written.model_copy(update={"description": ""}) == Policy()


def test_replays_are_judged_by_the_quick_policy_with_other_limits_on_the_generator() -> None:
    quick, replay = (load_policy(shipped.find(name, shipped.POLICIES)) for name in ("quick", "replay"))
    own = {"name", "description", "limits"}
    assert replay.model_dump(exclude=own) == quick.model_dump(exclude=own)
    assert replay.limits != quick.limits


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios" / "targets").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_example_of_targets_loads(path: Path) -> None:
    assert set(load_targets(path).arms) == {"baseline", "candidate"}


def test_a_name_that_is_not_shipped_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no-such: expected a YAML file, or one of .*morning-rush"):
        shipped.find("no-such", shipped.SCENARIOS)


def test_files_of_targets_are_found_beside_the_targets_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "targets.yaml").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)
    found = load_targets(Path("site/targets.yaml")).arms["baseline"]
    assert found.credentials.csv == str(tmp_path.resolve() / "site" / "secrets" / "accounts.csv")
    assert found.directory.ca_file == str(tmp_path.resolve() / "site" / "ca.pem")
    Path("site/targets.yaml").write_text(
        TARGETS.replace("credentials:", "service_accounts: {keytab: s.keytab}\n    credentials:")
    )
    services = load_targets(Path("site/targets.yaml")).arms["baseline"].service_accounts
    assert services is not None
    assert services.keytab == str(tmp_path.resolve() / "site" / "s.keytab")
    absolute = TARGETS.replace("{csv: secrets/accounts.csv}", "{keytab: /etc/site.keytab}")
    Path("site/targets.yaml").write_text(absolute)
    assert load_targets(Path("site/targets.yaml")).arms["baseline"].credentials.keytab == "/etc/site.keytab"


def _properties(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = schema if schema.get("title") == model.__name__ else schema["$defs"][model.__name__]
    return found


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """The model and every model beneath its fields."""
    if model not in seen:
        seen.add(model)
        waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
        while waiting:
            here = waiting.pop()
            if isinstance(here, type) and issubclass(here, BaseModel):
                _models(here, seen)
            waiting += getattr(here, "__args__", ())
    return seen


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_the_json_schema_of_a_kind_names_every_field_and_forbids_others(kind: str) -> None:
    schema = SCHEMAS[kind].model_json_schema()
    models = _models(SCHEMAS[kind], set())
    assert len(models) > 3
    for model in models:
        found = _properties(schema, model)
        assert set(found["properties"]) == set(model.model_fields)
        assert found["additionalProperties"] is False
        needed = {name for name, field in model.model_fields.items() if field.is_required()}
        assert set(found.get("required", ())) == needed


def test_a_document_of_plain_values_is_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "rush.yaml"
    path.write_text(SCENARIO)
    found = load_scenario(path).model_dump(mode="json", exclude_unset=True)
    assert found == yaml.safe_load(SCENARIO)


def test_tries_that_the_time_out_would_cut_short_are_refused(scenario_error: Said) -> None:
    said = scenario_error("timeout_s: 10", "timeout_s: 10\npatience: {gives_up_s: 4, tries: 3, again_after_s: 1}")
    assert "patience: expected all tries and the pauses between them within timeout_s (10), got 14 s" in said
    said = scenario_error("timeout_s: 10", "timeout_s: 10\npatience: {gives_up_s: 0}")
    assert "patience.gives_up_s: expected a number above 0, got 0" in said
