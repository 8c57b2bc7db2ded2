"""The chamber: what every document passes through, whichever channel it came by or leaves by.

``INTAKE > OPEN > INSPECT > KEEP > ROUTE > SEAL > DELIVER > CONFIRM``. The chamber knows no protocol. A channel
opens what its partner sent and writes the documents into an :class:`~ecluse.exchange.intake.Intake`; the
chamber inspects and keeps them, together with the channel's own answer, in one transaction. On the way out a
channel registers behind :class:`~ecluse.exchange.port.Channel`: the chamber has it seal a message once, keeps
those exact bytes, and has it deliver them until there is a receipt of record or a person decides.

- :mod:`~ecluse.exchange.hub`       what the stages share: store, vault, clock, entropy, configuration
- :mod:`~ecluse.exchange.port`      what a channel must do
- :mod:`~ecluse.exchange.intake`    INTAKE and KEEP, inbound
- :mod:`~ecluse.exchange.inspect`   INSPECT
- :mod:`~ecluse.exchange.route`     ROUTE
- :mod:`~ecluse.exchange.handin`    INTAKE and KEEP, outbound
- :mod:`~ecluse.exchange.deliver`   SEAL, DELIVER and CONFIRM
- :mod:`~ecluse.exchange.receipts`  receipts that come later, or never
- :mod:`~ecluse.exchange.actions`   what a person may decide: release, resend, resume, give up
- :mod:`~ecluse.exchange.trace`     the life of one message, for one screen
"""
