"""One person, enrolled at a simulated desk over the wire, published by the region, imported by a gate, and through its lane: `python -m tests.desk`."""
