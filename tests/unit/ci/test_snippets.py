"""The files of docs/ci, step by step, in the environment that each system is documented to give a job.

The systems are not there: their services are stand-ins, the load is a stored run that has been judged, and pip
installs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.report.write import write_all
from harness.run.evidence import evidence_of
from tests.helpers.ci import TOKEN, Comments, api_of_comments, environment_of, stand_ins, step
from tests.helpers.pages import ROOT
from tests.helpers.stored import stored_run

pytestmark = pytest.mark.slow

CI = ROOT / "docs" / "ci"
SLOWER = {"PASS": 1.0, "BLOCK": 3.0, "INCONCLUSIVE": 1.62}
CODES = {"PASS": 0, "BLOCK": 10, "INCONCLUSIVE": 20}
GITHUB = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What "shell: bash" of a composite action runs."""
AZURE = ("bash", "--noprofile", "--norc")
GITLAB = ("bash", "-eo", "pipefail")
JENKINS = ("sh", "-xe")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each verdict, with its reports."""
    into = tmp_path_factory.mktemp("runs")
    folders = {verdict: stored_run(into, slower=slower) for verdict, slower in SLOWER.items()}
    for folder in folders.values():
        write_all(evidence_of(folder), folder.path)
    return {verdict: folder.path for verdict, folder in folders.items()}


@pytest.fixture
def api() -> Iterator[Comments]:
    with api_of_comments() as held:
        yield held


def job(system: str, run: Path, folder: Path, api: Comments) -> dict[str, str]:
    """The environment of a job."""
    for name in ("temp",):
        (folder / name).mkdir()
    return {**environment_of(system, api.address, folder), **stand_ins(folder, run)}


def outputs(folder: Path) -> dict[str, str]:
    lines = (folder / "output").read_text().splitlines() if (folder / "output").exists() else []
    return dict(line.split("=", 1) for line in lines)


def filled(text: str, known: Mapping[str, str]) -> str:
    """A value of the action with what the runner puts in place of its expressions."""
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], text)


def github(environment: dict[str, str], folder: Path, **inputs: str) -> tuple[int, str]:
    """Run the composite action's steps as the runner does; the first that fails ends them."""
    action = yaml.safe_load((CI / "github" / "action.yml").read_text())
    given: dict[str, str] = {name: str(said.get("default", "")) for name, said in action["inputs"].items()}
    given |= {"wheel": "authgate.whl", "scenario": "morning-rush", "targets": "t.yaml", "token": TOKEN, **inputs}
    printed = ""
    for one in action["runs"]["steps"]:
        if "run" not in one:
            assert one["uses"].split("@")[0] in ("actions/cache", "actions/cache/restore", "actions/upload-artifact")
            continue
        known = {**{f"inputs.{name}": value for name, value in given.items()},
                 **{f"steps.gate.outputs.{name}": value for name, value in outputs(folder).items()}}  # fmt: skip
        env = {name: filled(value, known) for name, value in one.get("env", {}).items()}
        path = (folder / "path").read_text().split() if (folder / "path").exists() else []
        code, said = step(
            one["run"], folder, {**environment, **env, "PATH": ":".join([*path, environment["PATH"]])}, GITHUB
        )
        printed += said
        if code:
            return code, printed
    return 0, printed


@pytest.mark.parametrize("verdict", CODES)
def test_github_s_action_tells_each_verdict_and_ends_with_its_exit_code(
    runs: dict[str, Path], api: Comments, tmp_path: Path, verdict: str
) -> None:
    environment = job("github", runs[verdict], tmp_path, api)
    code, printed = github(environment, tmp_path)
    assert code == CODES[verdict], printed
    assert outputs(tmp_path)["verdict"] == verdict
    assert f"authgate: {verdict}" in (tmp_path / "summary").read_text()
    assert {"PASS": "::notice", "BLOCK": "::error", "INCONCLUSIVE": "::warning"}[verdict] in printed
    (text,) = api.texts.values()
    assert text.startswith("<!-- authgate:stored -->") and verdict in text
    assert "install --quiet authgate.whl" in (tmp_path / "stand-in" / "pip").read_text()
    assert TOKEN not in printed + text


def test_github_s_action_can_let_an_open_question_pass_with_a_warning(
    runs: dict[str, Path], api: Comments, tmp_path: Path
) -> None:
    code, printed = github(job("github", runs["INCONCLUSIVE"], tmp_path, api), tmp_path, inconclusive="warn")
    assert code == 0 and "::warning" in printed


def test_github_s_comment_is_replaced_by_the_next_run_s(runs: dict[str, Path], api: Comments, tmp_path: Path) -> None:
    api.texts = dict.fromkeys(range(100, 230), "somebody's words")
    for number, verdict in enumerate(("BLOCK", "PASS")):
        folder = tmp_path / str(number)
        folder.mkdir()
        github(job("github", runs[verdict], folder, api), folder)
    ours = [text for text in api.texts.values() if text.startswith("<!-- authgate")]
    assert len(ours) == 1 and "PASS" in ours[0]
    assert len(api.texts) == 131


def test_a_doctor_s_problem_ends_the_job_before_any_load(runs: dict[str, Path], api: Comments, tmp_path: Path) -> None:
    environment = {**job("github", runs["PASS"], tmp_path, api), "DOCTOR": "2"}
    assert github(environment, tmp_path)[0] == 2
    assert "gate " not in (tmp_path / "stand-in" / "asked").read_text()


def gitlab(environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Run the job's script as the runner does: one shell for before_script and script, variables expanded before."""
    document = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    found = document["authgate"]
    text = "\n".join([*found["before_script"], *found["script"]])
    given = {name: value.replace("$CI_PROJECT_DIR", str(folder)) for name, value in document["variables"].items()}
    return step(text, folder, {**given, **environment}, GITLAB)


@pytest.mark.parametrize("verdict", ["BLOCK", "INCONCLUSIVE"])
def test_gitlab_s_job_tells_each_verdict_and_ends_with_its_exit_code(
    runs: dict[str, Path], api: Comments, tmp_path: Path, verdict: str
) -> None:
    code, printed = gitlab(job("gitlab", runs[verdict], tmp_path, api), tmp_path)
    assert code == CODES[verdict], printed
    assert (tmp_path / "authgate.env").read_text().startswith(f"AUTHGATE_VERDICT={verdict}\n")
    links = yaml.safe_load((tmp_path / "authgate-annotations.json").read_text())
    assert links["authgate"][0]["external_link"]["label"].startswith(f"authgate: {verdict}")
    assert list(tmp_path.glob("results/*/junit.xml"))
    assert len(api.texts) == 1 and TOKEN not in printed


def test_gitlab_s_job_needs_no_token(runs: dict[str, Path], api: Comments, tmp_path: Path) -> None:
    environment = job("gitlab", runs["PASS"], tmp_path, api)
    del environment["AUTHGATE_GITLAB_TOKEN"]
    assert gitlab(environment, tmp_path)[0] == 0
    assert not api.asked


def azure(environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Run the pipeline's bash steps; what they say to the agent is obeyed where it matters here."""
    document = yaml.safe_load((CI / "azure-pipelines.yml").read_text())
    names = {name.upper(): str(value) for name, value in document["variables"].items()}
    printed, path = "", environment["PATH"]
    for one in document["steps"]:
        if "bash" not in one:
            continue
        code, said = step(one["bash"], folder, {**names, **environment, "PATH": path}, AZURE)
        printed += said
        for found in re.findall(r"##vso\[task\.prependpath\](\S+)", said):
            path = f"{found}:{path}"
        if code:
            return code, printed
    return 0, printed


@pytest.mark.parametrize("verdict", ["BLOCK", "INCONCLUSIVE"])
def test_azure_s_pipeline_tells_each_verdict_and_maps_its_exit_code(
    runs: dict[str, Path], api: Comments, tmp_path: Path, verdict: str
) -> None:
    code, printed = azure(job("azure", runs[verdict], tmp_path, api), tmp_path)
    assert code == {**CODES, "INCONCLUSIVE": 0}[verdict], printed
    assert ("result=SucceededWithIssues" in printed) == (verdict == "INCONCLUSIVE")
    assert f"variable=authgateVerdict;isOutput=true]{verdict}" in printed
    assert "##vso[task.uploadsummary]" in printed
    assert ("##vso[task.logissue type=error]" in printed) == (verdict == "BLOCK")
    (text,) = api.texts.values()
    assert verdict in text and TOKEN not in printed


def shell_of_jenkinsfile() -> list[str]:
    """The text of each sh step, in order."""
    text = (CI / "Jenkinsfile").read_text()
    found = re.findall(r"sh\(?[^'\n]*(?:'''\n(.*?)'''|'([^'\n]*)')", text, re.DOTALL)
    return [many or one for many, one in found]


@pytest.mark.parametrize("verdict", ["BLOCK", "INCONCLUSIVE"])
def test_jenkins_shell_steps_run_and_describe_the_build(
    runs: dict[str, Path], api: Comments, tmp_path: Path, verdict: str
) -> None:
    environment = {
        **job("jenkins", runs[verdict], tmp_path, api), "AUTHGATE_WHEEL": "authgate.whl",
        "AUTHGATE_SCENARIO": "morning-rush", "AUTHGATE_TARGETS": "t.yaml",
    }  # fmt: skip
    done = [step(text, tmp_path, environment, JENKINS) for text in shell_of_jenkinsfile()]
    assert [code for code, _ in done] == [0, 0, CODES[verdict], 0]
    assert any(line.startswith(f"{verdict} results/") for line in done[-1][1].splitlines())
    assert list(tmp_path.glob("results/*/junit.xml"))


def test_every_file_names_the_wheel_of_this_version_and_bounds_the_job() -> None:
    for file in ("github/workflow.yml", "gitlab-ci.yml", "Jenkinsfile", "azure-pipelines.yml"):
        assert "authgate-0.2.0-py3-none-any.whl" in (CI / file).read_text(), file
    for file in ("github/workflow.yml", "gitlab-ci.yml", "Jenkinsfile"):
        assert "timeout" in (CI / file).read_text(), file


def test_no_input_of_an_action_is_put_into_a_shell_s_text() -> None:
    def texts(found: Any) -> Iterator[str]:
        if isinstance(found, dict):
            yield from (value for key, value in found.items() if key == "run")
            for value in found.values():
                yield from texts(value)
        if isinstance(found, list):
            for value in found:
                yield from texts(value)

    for file in CI.rglob("*.yml"):
        assert not any("${{" in text for text in texts(yaml.safe_load(file.read_text()))), file
