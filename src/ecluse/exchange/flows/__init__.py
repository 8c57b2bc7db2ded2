"""Flows: what goes where. A document that came is taken by the flows that it fits, and each of their targets gets a
message of its own, made of it.

A kept message gets, in the transaction that keeps it, one delivery for each target of each flow that takes it. The
delivery's job does not send: it *relays*. It opens, inspects, packs and seals as the flow says, and keeps a child
message with a delivery of its own to the target's channel; parent and child are joined by
:attr:`~ecluse.model.nouns.Message.origin` and :attr:`~ecluse.model.nouns.Message.relay`. From then on the parent's
delivery follows what becomes of its children.

- :mod:`~ecluse.exchange.flows.plan`      a flow, read and ready; which flows take a message, and why not
- :mod:`~ecluse.exchange.flows.state`     what is kept of a flow: paused by whom, last run, failures
- :mod:`~ecluse.exchange.flows.workshop`  documents on their way through a flow: opened, unpacked, packed, sealed
- :mod:`~ecluse.exchange.flows.relay`     the durable work that makes children
- :mod:`~ecluse.exchange.flows.collect`   documents are fetched from folders, servers and buckets
- :mod:`~ecluse.exchange.flows.memory`    what was seen of files before, and connections
- :mod:`~ecluse.exchange.flows.tend`      what time brings: runs that are due, flows that go on, what is missing
- :mod:`~ecluse.exchange.flows.expect`    what should have come, and did not
- :mod:`~ecluse.exchange.flows.retain`    the end of retention: keys are deleted
- :mod:`~ecluse.exchange.flows.try_out`   what would happen, and why
"""
