"""Puts one gate together from its configuration. The only package that knows concrete parts.

Imports nothing by itself: `composition.registry` must not cost what `composition.compose` does.
"""
