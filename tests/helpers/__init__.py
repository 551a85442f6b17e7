"""What tests of several kinds share: synthetic runs, evidence, captures, started commands."""
