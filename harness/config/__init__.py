"""YAML to model: loading, problems by file, line and key, and what comes with authgate."""
