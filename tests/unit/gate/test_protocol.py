"""How single logins on the arms differ on the wire, and what a policy makes of that."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import pytest

from harness.gate.judge import judge
from harness.gate.protocol import ANSWER_TOLERANCE_B, ENCTYPES, TICKET_TOLERANCE_B, TLS_VERSIONS, between
from harness.model.comparison import StepShare
from harness.model.policy import Policy, Wire
from harness.model.protocol import (
    CHANGES,
    Change,
    DnsQuery,
    ExplainedLogin,
    StepFacts,
    TicketFacts,
)
from harness.model.subject import kind_of
from harness.model.verdict import Kind
from tests.helpers.comparisons import EQUAL, WORSE, comparison
from tests.helpers.single_logins import (
    AES256,
    ANSWERED,
    ASKED,
    CASES,
    FACTS,
    RC4,
    TLS,
    TOO_BIG,
    USER,
    arm,
    changed,
    found,
    login,
    ticket,
)
from tests.helpers.synthetic import HEALTH, POLICY, RUNNING


@pytest.mark.parametrize("change", CASES)
def test_a_change_on_the_wire_is_named_by_its_kind_and_told_in_one_line(change: Change) -> None:
    candidate, sentence = CASES[change]
    (difference,) = found(candidate)
    assert (difference.change, difference.sentence) == (change, sentence)


@pytest.mark.parametrize("change", CASES)
def test_what_is_a_difference_one_way_is_its_opposite_the_other_way(change: Change) -> None:
    (there,) = found(CASES[change][0])
    back = between(CASES[change][0], arm()) or ()
    opposite = {"added": "removed", "grown": "shrunk", "weaker": "stronger"}
    for one, other in opposite.items():
        if change.endswith((one, other)):
            assert [d.change.rpartition("-")[2] for d in back] == [other if change.endswith(one) else one]
    assert [(d.candidate, d.baseline) for d in back] == ([(there.baseline, there.candidate)] if back else [])
    assert back or change == "no-answer", "a KDC that answers again is no change for the worse"


def test_equal_arms_differ_in_nothing() -> None:
    both = arm(login(), login("warm"))
    assert found(both, both) == ()


def test_an_answer_that_is_too_big_for_udp_is_a_change_of_transport_with_its_error_and_its_exchange() -> None:
    told = found(changed("kdc_as", exchanges=(ASKED, TOO_BIG, ANSWERED)))
    assert [d.change for d in told] == ["exchange-added", "error-added", "transport-changed"]
    assert told[1].what == "KRB_ERR_RESPONSE_TOO_BIG"


def test_the_arms_own_names_are_no_difference() -> None:
    other = arm(
        login(
            dns_srv_dc=replace(
                FACTS["dns_srv_dc"], queries=(DnsQuery("_ldap._tcp.dc._msdcs.test.example", "SRV", "UDP", 1),)
            ),
            dns_a=replace(FACTS["dns_a"], queries=(DnsQuery("NEWDC.test.example", "A", "UDP", 1),)),
            kdc_tgs_ldap=replace(
                FACTS["kdc_tgs_ldap"],
                tickets=(TicketFacts("ldap/newdc.test.example@TEST.EXAMPLE", AES256, 1190, AES256),),
            ),
        ),
        names={"newdc.test.example": "HOST", "test.example": "DOMAIN"},
    )
    assert found(other) == ()


def test_sizes_within_their_tolerance_are_equal_and_a_byte_more_is_not() -> None:
    assert found(ticket(ticket_bytes=1187 + TICKET_TOLERANCE_B)) == ()
    assert found(ticket(ticket_bytes=1187 + TICKET_TOLERANCE_B + 1)) != ()
    assert found(changed("ldap_bind", answer_bytes=238 - ANSWER_TOLERANCE_B)) == ()
    assert found(changed("ldap_bind", answer_bytes=238 - ANSWER_TOLERANCE_B - 1)) != ()


def test_a_difference_in_cold_and_in_warm_logins_is_told_once() -> None:
    entry = {"ldap_own_entry": replace(FACTS["ldap_own_entry"], entries=2)}
    baseline = arm(login(), login("warm"))
    (both,) = found(arm(login(**entry), login("warm", **entry)), baseline)
    assert (both.cohort, both.sentence) == ("all", "ldap_own_entry: entries: 1 → 2")
    (one,) = found(arm(login(), login("warm", **entry)), baseline)
    assert (one.cohort, one.sentence) == ("warm", "warm ldap_own_entry: entries: 1 → 2")


def test_logins_of_the_same_cohort_are_compared_each_with_its_like() -> None:
    """Of a warm cohort one takes the whole way, one finds its tickets in the cache; one that fails has no rest."""
    whole, filled = login("unlock"), login("unlock", ldap_bind=replace(FACTS["ldap_bind"], answer_bytes=4000))
    failed = replace(filled, steps=(*filled.steps[:3], replace(filled.steps[3], status="error", code="X")))
    told = found(arm(whole, failed), arm(whole, filled))
    assert [(one.cohort, one.change, one.step) for one in told] == [("unlock", "step-failed", "kdc_tgs_ldap")]
    assert found(arm(whole, filled), arm(whole, filled)) == ()


def test_a_cohort_that_one_arm_shows_alone_is_not_compared() -> None:
    assert found(arm(login(), login("ward", ldap_bind=StepFacts())), arm(login(), login("components"))) == ()


def test_a_step_that_fails_on_both_arms_has_nothing_to_compare() -> None:
    steps = login().steps
    failed, refused = (replace(steps[3], status="error", code=code) for code in ("X", "Y"))
    ways = [arm(ExplainedLogin("cold", USER, (*steps[:3], step))) for step in (failed, refused)]
    assert found(*ways) == ()


def test_a_step_that_fails_on_the_candidate_is_that_difference_alone() -> None:
    steps = login().steps
    failed = replace(steps[3], status="error", code="KDC_ERR_ETYPE_NOSUPP", facts=StepFacts())
    (difference,) = found(arm(ExplainedLogin("cold", USER, (*steps[:3], failed))))
    assert difference.sentence == "kdc_tgs_ldap: the step: ok → error KDC_ERR_ETYPE_NOSUPP"
    assert difference.change == "step-failed"


def test_an_arm_of_which_nothing_is_known_is_not_compared() -> None:
    assert between(None, arm()) is None
    assert between(arm(), None) is None


def test_of_two_encryption_types_one_is_weaker_where_the_other_is_stronger() -> None:
    for one, other in itertools.combinations(ENCTYPES, 2):
        there, back = (
            next(iter(found(ticket(enctype=b), ticket(enctype=a)))).change for a, b in ((one, other), (other, one))
        )
        assert {there, back} in ({"enctype-weaker", "enctype-stronger"}, {"enctype-changed"}), (one, other)


@pytest.mark.parametrize("deprecated", ["des-cbc-crc", "des-cbc-md5", "des3-cbc-sha1", RC4])
def test_what_an_rfc_deprecates_is_weaker_than_every_aes(deprecated: str) -> None:
    """RFC 6649 and 8429."""
    for current in (name for name in ENCTYPES if name.startswith("aes")):
        assert found(ticket(session_enctype=deprecated), ticket(session_enctype=current))[0].change == "enctype-weaker"


def test_the_clinicians_own_key_is_looked_at_too() -> None:
    weak = replace(ANSWERED, key_enctype=RC4)
    (difference,) = found(changed("kdc_as", exchanges=(replace(ASKED, key_enctype=RC4), weak)))
    assert (difference.change, difference.what) == ("enctype-weaker", "the clinician's key")


def test_an_older_tls_is_weaker_and_none_the_weakest() -> None:
    ages = [None, *(replace(TLS, version=version) for version in (*TLS_VERSIONS, "TLSv1.4"))]
    for old, new in itertools.combinations(ages, 2):
        newer, older = changed("ldap_connect", tls=new), changed("ldap_connect", tls=old)
        assert [d.change for d in found(older, newer)] == ["tls-weaker"]
        assert [d.change for d in found(newer, older)] == ["tls-stronger"]


def test_every_kind_of_change_is_explained_in_the_order_of_its_severity() -> None:
    assert tuple(CHANGES) == get_args(Change)
    both = found(arm(login(ldap_bind=replace(FACTS["ldap_bind"], round_trips=2), ldap_connect=StepFacts())))
    assert [d.change for d in both] == ["tls-weaker", "exchange-removed"]


# What the gate makes of it.

WEAKER = found(ticket(enctype=RC4))
GROWN = found(ticket(ticket_bytes=2480))


def forbids(*changes: Change) -> Policy:
    return POLICY.model_copy(update={"protocol": Wire(block=changes)})


def test_a_difference_that_the_policy_forbids_blocks_although_no_login_is_slower() -> None:
    verdict = judge(comparison(EQUAL), HEALTH, RUNNING, POLICY, WEAKER)
    assert (verdict.kind, verdict.final) == (Kind.BLOCK, True)
    (finding,) = (f for f in verdict.findings if f.decision == "block")
    assert (finding.step, kind_of(finding.subject)) == ("kdc_tgs_ldap", "wire")
    assert RC4 in verdict.sentence and "wire" in verdict.sentence
    assert RC4 in verdict.reasons[0]


def test_a_difference_that_the_policy_lets_pass_is_told_and_blocks_nothing() -> None:
    verdict = judge(comparison(EQUAL), HEALTH, RUNNING, POLICY, GROWN)
    assert verdict.kind is Kind.PASS
    assert verdict.findings == judge(comparison(EQUAL), HEALTH, RUNNING, POLICY).findings
    assert any("1,187 B → 2,480 B" in notice for notice in verdict.notices)
    assert judge(comparison(EQUAL), HEALTH, RUNNING, forbids("ticket-grown"), GROWN).kind is Kind.BLOCK
    assert judge(comparison(EQUAL), HEALTH, RUNNING, forbids(), WEAKER).kind is Kind.PASS


def test_no_step_is_blamed_for_time_that_it_did_not_add() -> None:
    lost = (StepShare("cold", "ldap_bind", 0.001, 0.010, 0.011),)
    verdict = judge(comparison(EQUAL, attribution=lost), HEALTH, RUNNING, POLICY, WEAKER)
    assert (verdict.kind, verdict.blamed_step) == (Kind.BLOCK, None)


def test_a_slower_login_is_told_before_what_only_the_wire_shows() -> None:
    slower = judge(comparison(WORSE), HEALTH, RUNNING, POLICY)
    both = judge(comparison(WORSE), HEALTH, RUNNING, POLICY, WEAKER)
    assert both.sentence == slower.sentence
    assert len(both.reasons) == len(slower.reasons) + 1


def test_the_wire_blocks_no_sooner_than_the_first_look() -> None:
    early = comparison(EQUAL, pairs=POLICY.looks.block_from - 1, seen=POLICY.looks.block_from)
    assert judge(early, HEALTH, RUNNING, POLICY, WEAKER).kind is Kind.INCONCLUSIVE
    assert judge(replace(early, pairs=POLICY.looks.block_from), HEALTH, RUNNING, POLICY, WEAKER).kind is Kind.BLOCK


def test_a_policy_of_other_forbidden_differences_judges_the_same_load_alike() -> None:
    assert forbids("names-changed").digest == POLICY.digest
