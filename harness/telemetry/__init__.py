"""A run's attempts as OpenTelemetry metrics and traces, sent by a process that no login and no verdict waits for."""
