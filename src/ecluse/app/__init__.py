"""The one place that wires the house together, and what the command line (or any other front) can ask of a hub.

folder       a hub's folder: made once by ``init``; ``unlocking`` is what is opened of it before the hub itself
node         an opened hub: store, vault, keyring, directory, channels
service      a serving node: listener, jobs, log, schedule; ``succession`` ends what its killed predecessor held
settings     versions of the configuration in force: plan, apply, export; ``versions`` makes one
changes      proposals that a second person approves; ``operators`` and ``access`` say who may do what
messages     documents handed in, followed, looked up, told whole
channels     SFTP, FTPS and accounts, wired
flows        what goes where: jobs, watches, views
partners     invited, taken on from cards, shown, audited; ``rehearsal`` plays a difficult one
keys         keys and certificates on a node; ``rotation`` changes them without an outage
posture      facts gathered for the rules, findings kept and shown
health       what ``doctor`` looks at
log          the log sequenced, witnessed, stamped, served and proven
packs        evidence for a third party
archive      documents kept as long as they must be; ``seals`` by hand
subjects     requests of the people whom the data is about; ``processing`` is the record of it
backup       copies of the hub, and the way back
events       every kind of event there is
"""
