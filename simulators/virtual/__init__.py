"""A million crossings in virtual time: the core driven directly by a world of discrete events, judged by a monitor with a record of its own.

Nothing here keeps a clock, a thread or a device; an episode (one fresh lane, some tens of travellers) is a pure function of seed and number.
"""
