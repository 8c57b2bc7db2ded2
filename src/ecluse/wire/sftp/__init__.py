"""SFTP version 3 (draft-ietf-secsh-filexfer-02) as a server speaks it: octets in, requests out; replies to octets.

requests   what a client asks, and the reader that takes it out of the stream
replies    what a server answers
attributes the attributes of a file, both ways
listing    the line that people see of a file
"""
