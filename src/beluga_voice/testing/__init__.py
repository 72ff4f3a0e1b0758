"""Fakes that behave: virtual time, scripted providers, simulators and probes, for our tests and yours."""
