"""WebDAV (RFC 4918), as far as a client that moves files needs it: what it asks for, and what a server answers.

Bytes in, facts out.
"""
