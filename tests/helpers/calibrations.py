"""A site's calibration, and the run that may rest on it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from harness import __version__
from harness.config import shipped
from harness.config.load import load_scenario
from harness.model.calibration import Calibration, Noise
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.site import Spread
from harness.model.target import Targets
from harness.run.site import Subject

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
OLD = (NOW - timedelta(days=31)).isoformat()
P50 = Metric("cold", "login", "p50")
POLICY = Policy()
WORKLOAD = load_scenario(shipped.find("demo", shipped.SCENARIOS))
ARM = {
    "realm": "CLINIC.TEST",
    "kdcs": ["127.0.0.1:8801"],
    "directory": {
        "uri": "ldap://127.0.0.1:3890",
        "service_host": "ldap.clinic.test",
        "user_base": "ou=people",
        "group_base": "ou=groups",
    },
    "credentials": {"env": "CLINICIANS"},
}
TARGETS = Targets.model_validate({"arms": {"baseline": ARM, "candidate": {**ARM, "kdcs": ["127.0.0.1:8802"]}}})
SUBJECT = Subject(NOW, POLICY, WORKLOAD, TARGETS.arms)
NOISE = Noise(P50, 0.09, 0.095, math.inf, 1.0, Spread(0.02, 8, 0.05), Spread(0.03, 7, 0.06))
CALIBRATION = Calibration(
    scenario=WORKLOAD.name,
    scenario_digest=WORKLOAD.workload_digest,
    policy=POLICY.name,
    policy_digest=POLICY.digest,
    alpha=POLICY.alpha,
    targets={arm: target.digest for arm, target in TARGETS.arms.items()},
    version=__version__,
    began=(NOW - timedelta(days=9)).isoformat(),
    measured=(NOW - timedelta(days=2)).isoformat(),
    runs=tuple("abcdefgh"),
    verdicts={"PASS": 7, "INCONCLUSIVE": 1},
    noise=(NOISE,),
)
