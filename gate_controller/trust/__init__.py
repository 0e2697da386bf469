"""The regions' public keys."""
