"""Types and invariants of the flow from plan to verdict; no input or output, no clock (CONTRIBUTING, rule 1)."""
