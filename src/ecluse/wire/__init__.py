"""Protocol cores: bytes in, events out.

Nothing here opens a file or a socket, reads a clock or draws randomness: ``now`` and entropy are arguments.
One core then serves the live server, the replay of captured bytes, fuzzing and simulation.
"""
