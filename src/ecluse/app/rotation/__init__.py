"""Rotations at work: begun by a person, looked after by every serving node, judged by partners' receipts.

What is next is decided by :mod:`ecluse.trust.rotation.steps`, and done here.

    begin      a successor is made, or taken over, and stands beside what it succeeds
    shelf      rotations with their partners, read and written as one
    tend       the recurring look
    watch      receipts that refuse the successor take a partner back, in their own transaction
    announce   partners are told by a letter with our card
    exchange   certificate exchange messages: ours are sent, theirs are kept as offers
    theirs     a partner replaces a certificate of its own
    hand       what a person decides: switch, revert, retire, abandon
    board      every partner's state, for people and programs
"""
