"""One run from its inputs to its evidence: executed, watched, assessed."""
