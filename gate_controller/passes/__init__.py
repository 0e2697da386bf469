"""Offline verification of QR passes."""
