"""Offline verification of QR passes.

    text       length cap, prefix, Base45                      step 1
    frame      the two nested COSE_Sign1, taken apart by hand  step 2
    claims     strict CBOR, exact types                        steps 5 and 6
    holder     the holder key                                  step 7
    verifier   all steps in order, under a lane's policy
    replay     durable memory of used presentations            step 9
    inspection a decoded view that trusts nothing

Does not hold the regions' keys (gate_controller.trust), does not fetch anything, and does not look at status lists
yet (step 8).
"""
