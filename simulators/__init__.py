"""Simulated hardware, travellers and authorities. Shares no code with what it is used to test; never runs in production."""
