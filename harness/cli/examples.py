"""Two examples or more of each command, and of each below it, for ``--help`` and the manual pages."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "calibrate": (
        ("authgate calibrate morning-rush --targets targets.yaml", "five A/A runs against the baseline"),
        (
            "authgate calibrate morning-rush --targets targets.yaml --same-bits --between ./redeploy.sh",
            "how two deployments of the same bits differ",
        ),
    ),
    "capacity": (
        ("authgate capacity morning-rush --targets targets.yaml", "how many logins a second each arm serves"),
        ("authgate capacity morning-rush --targets targets.yaml --to 5 --peak 60", "up to five times the usual rate"),
    ),
    "ci": (
        ("authgate ci", "the last run of results/, told as this CI system shows it"),
        ("authgate ci --post --name morning", "and as a comment on the merge request, updated in place"),
    ),
    "compare": (
        ("authgate compare results/RUN", "judge a run of both arms again"),
        ("authgate compare --before before.jtl --after after.jtl", "judge what JMeter, k6 or Locust measured"),
    ),
    "demo": (
        ("authgate demo", "replay the incident of 2016 on servers of its own"),
        ("authgate demo --update none", "the same run on equal arms"),
    ),
    "doctor": (
        ("authgate doctor", "check this machine"),
        ("authgate doctor --targets targets.yaml --scenario morning-rush", "check both arms for a scenario"),
    ),
    "export": (
        ("authgate export results/RUN --out run.hlog", "an HdrHistogram log"),
        (
            "authgate export results/RUN --otlp http://127.0.0.1:4318",
            "to an OpenTelemetry collector",
        ),
    ),
    "gate": (
        ("authgate gate morning-rush --targets targets.yaml", "measure both arms, and judge the update"),
        ("authgate gate morning-rush --targets targets.yaml --budget 10m", "as far as ten minutes can tell"),
        ("authgate gate --continue results/RUN --targets targets.yaml", "add pairs to a run that was INCONCLUSIVE"),
    ),
    "history": (
        ("authgate history", "every run of results/, and history.html"),
        ("authgate history --scenario morning-rush --since 2026-06-01 --verdict BLOCK", "those that were blocked"),
    ),
    "import": (
        ("authgate import traffic monday.tsv > scenario.yaml", "a scenario from a capture's summary"),
        ("authgate import traffic monday.tsv --name monday --apart-s 60", "logins are further apart"),
    ),
    "import traffic": (
        ("authgate import traffic monday.tsv > monday.yaml", "a scenario from a capture's summary"),
        ("authgate import traffic monday.tsv --apart-s 60", "exchanges more than 60 s apart are two logins"),
    ),
    "init": (
        ("authgate init clinic.example", "a first targets file and scenario of a domain"),
        ("authgate init clinic.example --dns 10.20.30.11 --out site", "asked of this name server"),
    ),
    "lab": (
        ("authgate lab up", "real servers on loopback, an arm each"),
        ("authgate lab down", "end what runs there"),
    ),
    "lab down": (
        ("authgate lab down", "end the lab of this folder"),
        ("authgate lab down --dir elsewhere/.authgate-lab", "of another"),
    ),
    "lab status": (
        ("authgate lab status", "which processes run, and where they listen"),
        ("authgate lab status --format json", "for a script"),
    ),
    "lab up": (
        ("authgate lab up", "the embedded domain, as any user"),
        ("authgate lab up --kind ad --single-sign-on", "Active Directory with an identity provider, as root"),
    ),
    "locustfile": (
        ('locust -f "$(authgate locustfile)"', "plain Locust, with its web page"),
        ('locust -f "$(authgate locustfile)" --headless --scenario morning-rush', "without it"),
    ),
    "login": (
        ("authgate login clin00007 --targets targets.yaml", "one login on the baseline, step by step"),
        ("authgate login clin00007 --targets targets.yaml --arm candidate --format json", "for a script"),
    ),
    "man": (
        ("authgate man /usr/local/share/man/man1", "write the manual pages"),
        ("authgate man man1 && man -l man1/authgate-gate.1", "read one"),
    ),
    "notice": (
        ("authgate notice --targets targets.yaml --scenario morning-rush", "a page for the security desk"),
        (
            "authgate notice --targets targets.yaml --scenario morning-rush --starts 2026-11-30T02:00 --out notice.md",
            "with the window, as a file",
        ),
    ),
    "plan": (
        ("authgate plan morning-rush --noise results/calibration-morning-rush-default.json", "at a calibrated site"),
        ("authgate plan morning-rush --noise results/RUN --slowdown 0.1", "to block +10 %, by the noise of one run"),
    ),
    "report": (
        ("authgate report results/RUN", "write a run's reports again"),
        ("authgate report results/KILLED", "a partial report of a run that was killed"),
    ),
    "run": (
        ("authgate run morning-rush --targets targets.yaml", "measure, and judge later"),
        ("authgate run morning-rush --targets targets.yaml --arm baseline", "one arm alone"),
    ),
    "scenarios": (
        ("authgate scenarios", "the scenarios that come with authgate"),
        ("authgate scenarios --format json", "for a script"),
    ),
    "schema": (
        ("authgate schema targets > targets.schema.json", "for an editor"),
        ("authgate schema verdict", "for who reads verdict.json"),
    ),
    "trend": (
        ("authgate trend results/*-morning-rush-*", "runs of one scenario side by side"),
        ("authgate trend results/*-morning-rush-* --format json", "for a script"),
    ),
    "updates": (
        ("authgate updates list", "updates that slowed or broke logins elsewhere"),
        ("authgate updates run uppsala-2016", "replay one of them"),
    ),
    "updates list": (
        ("authgate updates list", "the catalogue"),
        ("authgate updates list --format json", "for a script"),
    ),
    "updates run": (
        ("authgate updates run uppsala-2016", "the incident of 2016, on real servers"),
        ("authgate updates run our-callout.yaml -q", "an entry of your own"),
    ),
    "updates show": (
        ("authgate updates show kb2922852", "its sources, mechanism, fault and expected verdict"),
        ("authgate updates show kb2922852 --format json", "for a script"),
    ),
    "worker": (
        ("authgate worker --master gate.example:5557 --key workers.key", "generate load here"),
        ("authgate worker --master 127.0.0.1:5557", "beside the gate, with the accounts of its targets"),
    ),
}


def epilog(name: str) -> str:
    """The examples as the end of a command's help; ``\\b`` keeps click from wrapping them."""
    lines = [line for example, says in EXAMPLES.get(name, ()) for line in (f"  {example}", f"      {says}")]
    return "\n".join(["\b", "Examples:", *lines]) if lines else ""
