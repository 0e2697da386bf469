"""Drivers of real hardware behind gate_controller.ports; found by name through the entry-point group gate_controller.drivers."""
