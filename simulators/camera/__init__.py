"""Simulated cameras: an MJPEG server that real drivers open, and an in-memory one in virtual time, over the same scenes."""
