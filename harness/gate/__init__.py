"""The gate: policy and comparison in, verdict out; pure."""
