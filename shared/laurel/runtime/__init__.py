"""Plumbing that every service stands on: settings, Kafka, MongoDB, failures, HTTP and telemetry."""
