"""Ninety-six faults, injected into files and wire simulators, and whether gatectl doctor names each one's cause: python -m tests.doctor."""
