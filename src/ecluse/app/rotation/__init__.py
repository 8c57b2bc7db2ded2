"""Rotations at work: begun by a person, looked after by every serving node, judged by partners' receipts.

begin      a successor is made, or taken over, and stands beside what it succeeds
shelf      rotations with their partners, read and written as one
tend       the recurring look: what :mod:`ecluse.trust.rotation.steps` says is next is done
watch      receipts that refuse the successor take a partner back, in their own transaction
announce   partners are told: a letter with our card, or a certificate exchange message
hand       what a person decides: switch, revert, retire, abandon
board      every partner's state, for people and programs
"""
