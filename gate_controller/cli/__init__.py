"""gatectl, the local command line."""
