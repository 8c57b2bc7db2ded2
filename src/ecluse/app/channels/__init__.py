"""Channels that need more wiring than a line: SFTP and FTPS, as server and client, and partners' accounts."""
