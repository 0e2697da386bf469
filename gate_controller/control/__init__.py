"""Control API on a unix socket and the kiosk page on the loopback."""
