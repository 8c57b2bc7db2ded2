"""Two made-up companies exchange real documents, on one machine: the whole house at work in under a minute.

- :mod:`~ecluse.demo.run`      the demo as a command
- :mod:`~ecluse.demo.scenes`   partners and documents
- :mod:`~ecluse.demo.trials`   a killed hub, a large file
- :mod:`~ecluse.demo.intruder` what is refused: changed bytes, strangers, repetitions
- :mod:`~ecluse.demo.fraud`    a card in a partner's name, and the second person who calls back
- :mod:`~ecluse.demo.evidence` what is left to prove it
- :mod:`~ecluse.demo.company`  a company: its hub, and the process that serves it
- :mod:`~ecluse.demo.stage`    what the scenes share: sending, waiting, checking
- :mod:`~ecluse.demo.checks`   what stops the demo
- :mod:`~ecluse.demo.interrupts` Ctrl-C, and no process left behind
- :mod:`~ecluse.demo.screen`   what is shown
- :mod:`~ecluse.demo.filler`   a large document, made as it is read
"""
