"""Who may connect and try to log in, shared by the listeners that partners log in at.

    gate        the one object a listener asks: connections and sessions counted, failures scored, bans applied
    bans        addresses and users that are kept out for a time; in the store, for all nodes and restarts
    scores      failures that fade
    passwords   a password compared in the same time, whether there is one or not
    accounts    which partner a user name stands for, from where, by which protocol

A listener calls the gate's hooks: ``connected`` and ``closed`` around every connection, ``failed`` or ``succeeded``
for every login, ``opened`` and ``ended`` around every session of a partner.
"""
