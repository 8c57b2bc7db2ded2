"""SFTP version 3 (draft-ietf-secsh-filexfer-02).

asking     what a client asks
answers    what a server answers, and the reader that takes it out of the stream
"""
