"""The gate in Locust's web UI: `locust -f locustfiles/gate.py`, then choose what to judge on its page."""

import os

from harness.load.user import GATE_FIRST, ClinicianUser

os.environ[GATE_FIRST] = "1"


class Clinician(ClinicianUser):
    """One seat at which clinicians log in."""
