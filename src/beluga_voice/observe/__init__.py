"""Metrics and spans on the OpenTelemetry API; without an SDK they cost next to nothing."""
