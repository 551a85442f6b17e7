"""A locustfile of somebody's own: wards whose clinicians log in at a pace of their own, by the steps that they need."""

import os
import random

from locust import User, constant, task

from harness.load import LoginClient


class Clinician(User):
    wait_time = constant(0.05)

    def on_start(self):
        self.login = LoginClient(self.environment, targets=os.environ["TARGETS"], arm="baseline")

    @task
    def sits_down(self):
        with self.login(random.choice(self.login.users)) as login:
            login.kdc_as()
            login.kdc_tgs_ldap()
            login.ldap_connect()
            login.ldap_bind()
            login.ldap_own_entry()
