"""The log over HTTP, read-only (C2SP tlog-tiles), and the hub as a witness (C2SP tlog-witness).

``pages`` gives what stands at a path, ``handler`` answers requests with it. Nothing here needs a login: hashes tell
nothing of what they are of, and a request for a cosignature is believed for what its log's key signed.
"""
