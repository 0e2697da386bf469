"""Controller of one two-door border e-channel lane. See docs/ARCHITECTURE.md."""
