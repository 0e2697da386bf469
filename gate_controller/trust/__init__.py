"""The regions' keys and status lists: taken from a stick or a mirror, verified, kept, and watched over."""
