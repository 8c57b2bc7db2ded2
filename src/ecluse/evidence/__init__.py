"""Evidence: every change of state leaves a record in a Merkle log that is signed, and can be proven offline.

``record`` writes an event in the transaction of the change itself; ``sequencer`` puts events into the tree
and signs its heads, and ``loop`` runs it; ``held`` keeps a copy of those heads outside the database;
``proof`` proves one record to a third party; ``verify`` finds the first record, hash or checkpoint that was
tampered with, ``states`` the rows that say something else than their last record.
"""
