"""Folders of ours: the application's inbox, and those of ``[folders]`` that flows collect from and deliver to.

Nothing inside such a folder is trusted: no symbolic link is followed, what is no regular file is left alone, and no
name from outside names a path. What is delivered is durable before it is confirmed, and never takes the place of
another file unless that was agreed.
"""

from ecluse.channels.folder.channel import FolderChannel
from ecluse.channels.folder.source import FolderSource
from ecluse.channels.folder.watch import Watcher

__all__ = ["FolderChannel", "FolderSource", "Watcher"]
