"""Sequences for judging presentation attack detection: live people, and their pictures held before the camera.

Everything is made from the synthetic people in simulators/data/faces, who do not exist. Live and attack go through the same camera:
one resampling of stored pictures, one background, one lens, one sensor, one JPEG. What differs is what differs in the world: a person has depth
and stands before a wall that stays; a picture is a plane in a hand that trembles.

Says nothing about real people or real attacks: amplitudes are chosen to be plausible, not measured (docs/pad.md lists them).
"""
