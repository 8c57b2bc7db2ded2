"""The nouns of the hub, frozen, and their states as tables.

Nothing here does anything: rooms above read these facts, and the stores write them down.
"""
