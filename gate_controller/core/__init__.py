"""The crossing as a pure state machine: events in, commands out; no clock, no I/O, no threads, no randomness."""
