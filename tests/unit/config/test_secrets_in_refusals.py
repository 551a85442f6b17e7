"""What may be a secret is not said again, whatever key it stands under."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.load import load_policy, load_scenario, load_targets
from harness.errors import ConfigError, masked
from tests.helpers.documents import CANARY, POLICY, SCENARIO, TARGETS

URI = "uri: ldap://127.0.0.1:389"
EHR = "    credentials: {csv: secrets/accounts.csv}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (URI, f"uri: ldap://zoe:{CANARY}@dc.clinic.test:389"),
        (URI, f"uri: ldap://zoe:{CANARY}@dc.clinic.test:389/x/y"),
        (URI, f"uri: ldap://{CANARY}@dc clinic"),
        (URI, f"uri: ldap://dc:{CANARY}"),
        (URI, f"uri: 'http://dc/?password={CANARY}'"),
        (URI, f"uri: {CANARY}"),
        (EHR, f"{EHR}\n    ehr: {{url: 'https://zoe:{CANARY}@ehr/page', service_host: ehr}}"),
        (EHR, f"{EHR}\n    ehr: {{url: 'https://ehr/page?token={CANARY}', service_host: ehr}}"),
        (EHR, f"{EHR}\n    ehr: {{url: 'ftp://ehr/{CANARY}', service_host: ehr}}"),
        (EHR, f"{EHR}\n    ehr: {{url: 'https://ehr:{CANARY}/page', service_host: ehr}}"),
        (EHR, f"{EHR}\n    ehr: {{url: 'https://ehr/page', service_host: 'zoe:{CANARY}@ehr'}}"),
        ('"127.0.0.1:88"', f'"zoe:{CANARY}@kdc"'),
        ('"127.0.0.1:88"', f'"kdc:{CANARY}"'),
        ('"127.0.0.1:88"', f'"zoe:{CANARY}@kdc:88"'),
        ('"127.0.0.1:88"', f'{{host: "zoe:{CANARY}@kdc", port: 88}}'),
        ('"127.0.0.1:88"', f'{{host: kdc, port: "{CANARY}"}}'),
        ("realm: CLINIC.TEST", f"realm: '{CANARY}!'"),
        ("environment: lab", f"environment: {CANARY}"),
        ("environment: lab", f"environment: lab\nmax_rate: {CANARY}"),
        ("environment: lab", f"environment: lab\nallow: [{CANARY}]"),
        ("environment: lab", f"environment: lab\n{CANARY}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 1"),
    ],
)
def test_a_secret_in_targets_is_not_said_in_the_refusal(tmp_path: Path, old: str, new: str) -> None:
    assert old in TARGETS
    path = tmp_path / "t.yaml"
    path.write_text(TARGETS.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_targets(path)
    assert CANARY not in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("load", "text", "old"), [(load_scenario, SCENARIO, "rate: 20"), (load_policy, POLICY, "0.10")]
)
def test_a_uri_with_credentials_in_any_other_file_is_masked(tmp_path: Path, load: object, text: str, old: str) -> None:
    path = tmp_path / "x.yaml"
    key = "rate: " if old.startswith("rate") else ""
    path.write_text(text.replace(old, f'{key}"ldap://zoe:{CANARY}@dc/?password={CANARY}"', 1))
    with pytest.raises(ConfigError) as caught:
        load(path)  # type: ignore[operator]
    assert CANARY not in str(caught.value)
    assert "ldap://…@dc" in str(caught.value)


@pytest.mark.parametrize(
    "plain",
    ["127.0.0.1:x", "ldap://dc.clinic.test:99999", "2026-11-28T08:00:00+00:00", "user@CLINIC.TEST", "why? because",
     "expected a host name or an address, got \"kdc 1\"", "a:b, c@d"],
)  # fmt: skip
def test_what_is_no_secret_is_left_as_it_is(plain: str) -> None:
    assert masked(plain) == plain
