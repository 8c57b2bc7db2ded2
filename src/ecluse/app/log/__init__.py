"""The log of evidence on a node: sequenced, witnessed, stamped, served to readers, proven and shown.

``sequencing`` gives events their place, ``breaks`` is what people decide when the log does not continue, ``door`` and
``tiles`` let others read, ``witnesses`` and ``stamps`` ask others to sign, ``proofs`` verifies and proves.
"""
