"""FTP as octets (RFC 959, RFC 3659): commands, replies, listings. No sockets, no clock."""

from ecluse.wire.ftp.commands import MAX_LINE, Command, CommandReader
from ecluse.wire.ftp.errors import FtpSyntaxError
from ecluse.wire.ftp.listing import (
    FACTS,
    MAX_ENTRY,
    Listed,
    fact_line,
    list_line,
    parse_facts,
    parse_list,
    parse_time,
    time_text,
)
from ecluse.wire.ftp.replies import Reply, parse_reply, quoted

__all__ = [
    "FACTS",
    "MAX_ENTRY",
    "MAX_LINE",
    "Command",
    "CommandReader",
    "FtpSyntaxError",
    "Listed",
    "Reply",
    "fact_line",
    "list_line",
    "parse_facts",
    "parse_list",
    "parse_reply",
    "parse_time",
    "quoted",
    "time_text",
]
