"""The client of partners' SFTP servers: delivers documents to them, and lists and reads what is collected.

channel    the channel as the chamber sees it
source     the place that files are collected from
placing    one document to one name, exactly once
relation   what a partner's file amounts to
connect    egress, jump hosts, host keys, login
pins       pinned host keys
pool       connections kept for reuse
session    SFTP over one SSH channel
transfer   the octets of a file, both ways
probe      what doctor and the host key scan do
"""
