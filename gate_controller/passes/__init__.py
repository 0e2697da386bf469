"""Offline verification of QR passes.

    text       length cap, prefix, Base45                      step 1
    frame      the two nested COSE_Sign1, taken apart by hand  step 2
    payload    payload bytes to claims: deterministic CBOR     steps 5 and 6
    claims     the exact claims and their types                step 6
    verifier   all steps in order, under a lane's policy
    replay     durable memory of used presentations            step 9
    inspection a decoded view that trusts nothing

Does not hold the regions' keys and status lists (gate_controller.trust), and does not fetch anything.
"""
