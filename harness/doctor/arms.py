"""Whether the arms differ only in the update, as far as that can be seen from outside."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from harness.doctor.probe import Probe
from harness.model.diagnosis import Remark, not_applicable, ok, warning


def alike(baseline: Probe, candidate: Probe) -> Iterator[Remark]:
    """Both have the same realm and gave the same answers."""
    if baseline.target.realm != candidate.target.realm:
        found = f"realm: {baseline.target.realm} and {candidate.target.realm}"
        yield warning(found, "compare controllers of one domain, or clones of it")
    # What only one arm answered is a problem of the other one, and is reported there.
    shared = [trait for trait in baseline.traits if trait in candidate.traits]
    differing = [trait for trait in shared if baseline.traits[trait] != candidate.traits[trait]]
    for trait in differing:
        found = f"{trait}: baseline {baseline.traits[trait]}; candidate {candidate.traits[trait]}"
        yield warning(
            found, "make both arms equal in this, unless it is the update itself: it would be judged with the update"
        )
    if not shared:
        yield not_applicable("one of the arms gave no answer")
    elif not differing:
        yield ok(f"the same realm and answers ({len(shared)} compared)")


def apart(baseline: Probe, candidate: Probe) -> Iterator[Remark]:
    """They are servers of their own; and where they run at once (duet), machines of their own."""
    assert baseline.addresses is not None and candidate.addresses is not None
    if baseline.target.endpoints == candidate.target.endpoints:
        found = "both arms name the same servers: the baseline would be compared with itself"
        yield warning(found, "name the candidate's own servers, unless an A/A run is meant")
    scenario = baseline.scenario
    duet = scenario is not None and scenario.blocks.design == "duet"
    one, other = (_machines(probe) for probe in (baseline, candidate))
    if not one & other:
        yield ok("the arms share no address")
    elif duet:
        found = f"both arms on one machine ({', '.join(sorted(one & other))}), and a duet loads both at once"
        yield warning(found, "set blocks.design: interleaved, or run the arms on machines of their own")
    else:
        yield ok(f"both arms on one machine ({', '.join(sorted(one & other))}), measured in turns")


def _machines(probe: Probe) -> set[str]:
    """The arm's addresses; loopback is one machine by whichever address."""
    assert probe.addresses is not None
    found = (address for each in probe.addresses.values() for address in each)
    return {"loopback" if ipaddress.ip_address(address).is_loopback else address for address in found}
