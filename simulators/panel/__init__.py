"""The panel of a simulation: a page on 127.0.0.1 from which a person sends travellers, plays tricks, and watches the gate decide.

Acts on the simulated world alone, and on the gate as an officer does. Has no part in a gate with real devices: `PanelSite` needs the simulated ones.
"""
