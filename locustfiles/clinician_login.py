"""Clinicians log in: `locust -f locustfiles/clinician_login.py --scenario FILE --targets FILE --arm baseline`."""

from harness.load.user import ClinicianUser


class Clinician(ClinicianUser):
    """One seat at which clinicians log in."""
