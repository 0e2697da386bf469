"""What the core's surroundings must offer: device and service Protocols, their errors, shared value types.

Does not import any driver, simulator or service; those depend on this package.
"""
