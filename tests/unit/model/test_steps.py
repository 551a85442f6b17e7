"""What is known of a step stands in its fields: its server's kind, and the service whose ticket it asks for."""

from __future__ import annotations

from harness.model.steps import STEPS
from harness.model.target import Target

TARGET = Target.model_validate(
    {
        "realm": "CLINIC.TEST",
        "kdcs": ["127.0.0.1"],
        "directory": {"uri": "ldap://127.0.0.1", "service_host": "dc1.clinic.test", "user_base": "", "group_base": ""},
        "credentials": {"env": "CLINIC_ACCOUNTS"},
        "services": {"host": "ws001.clinic.test", "cifs": "files.clinic.test"},
        "ehr": {"url": "http://127.0.0.3:8080/portal/", "service_host": "ehr.clinic.test"},
        "sso": {
            "provider": {"url": "http://127.0.0.5/", "service_host": "idp.clinic.test"},
            "oidc": {"url": "http://127.0.0.3:8081/", "service_host": "ehr.clinic.test"},
            "saml": {"url": "http://127.0.0.3:8083/", "service_host": "ehr.clinic.test"},
        },
        "database": {"uri": "postgres://127.0.0.4:5433/ehr", "service_host": "pg.clinic.test"},
    }
)
BARE = TARGET.model_copy(update={"services": type(TARGET.services)(), "ehr": None, "sso": None, "database": None})


def test_each_ticket_step_says_for_which_service_and_where_a_target_has_its_host() -> None:
    asked = {name: step.ticket for name, step in STEPS.items() if step.ticket is not None}
    assert {name: f"{service.name}/{TARGET.host_of(service)}" for name, service in asked.items()} == {
        "kdc_tgs_host": "host/ws001.clinic.test",
        "kdc_tgs_ldap": "ldap/dc1.clinic.test",
        "kdc_tgs_cifs": "cifs/files.clinic.test",
        "kdc_tgs_http": "HTTP/ehr.clinic.test",
        "kdc_tgs_idp": "HTTP/idp.clinic.test",
        "kdc_tgs_postgres": "postgres/pg.clinic.test",
    }


def test_a_host_that_the_target_does_not_say_is_none_and_its_step_is_lacking() -> None:
    for name, step in STEPS.items():
        if step.ticket is not None and BARE.host_of(step.ticket) is None:
            assert BARE.lacks([name]), f"{name} would ask for a ticket of nobody"


def test_all_that_a_kdc_is_asked_for_is_of_its_kind_whatever_a_step_is_called() -> None:
    kinds: dict[str, list[str]] = {}
    for name, step in STEPS.items():
        kinds.setdefault(step.kind, []).append(name)
    assert kinds["kdc"] == ["kdc_as", *(name for name, step in STEPS.items() if step.ticket is not None)]
    assert kinds["cldap"] == ["cldap_ping"] and kinds["ehr"] == ["ehr_query"]
