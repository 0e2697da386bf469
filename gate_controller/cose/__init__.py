"""COSE and CBOR as the pass and the status lists use them: the frame, the signature, deterministic encoding.

Pure functions over bytes; knows no claim, no key table and no policy.
"""
