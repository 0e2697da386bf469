"""The durable record of crossings and events."""
