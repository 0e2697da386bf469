"""Simulated I/O board of the lane: on the wire (`python -m simulators.io_board`) and in memory (`simulators.io_board.memory`)."""
