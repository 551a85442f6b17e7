"""Faults in running gates, on both labs: what each came to, as docs/faults.md tells.

    python -m tests.benchmarks.faults [--only WORD …] [--again]

Writes the table after each row, and keeps the rows in faults.json: what is there already is not run again unless
``--again`` asks for it. Needs root (a small file system, a network of its own), half an hour and a machine to itself.
"""
