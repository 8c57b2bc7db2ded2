"""SFTP version 3 (draft-ietf-secsh-filexfer-02): octets in, requests or answers out, and the other way round.

requests   what a client asks, and the reader that takes it out of the stream
replies    what a server answers
asking     the same requests as a client writes them
answers    what a client reads of a server's answers
attributes the attributes of a file, both ways
listing    the line that people see of a file
"""
