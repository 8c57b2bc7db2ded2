"""SFTP: the listener that partners' clients log in at, and the client of partners' own servers.

keys      keys of the keyring as SSH uses them
server    the listener: SSH, logins, and SFTP version 3 over a partner's virtual tree
"""
