"""Places that files are delivered to and collected from: folders of ours, partners' servers and buckets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ecluse.channels.bucket import BucketChannel, BucketPlaces, BucketSource
from ecluse.channels.folder import FolderChannel, FolderSource
from ecluse.channels.folder.channel import NoFolder
from ecluse.channels.folder.source import FolderPlace
from ecluse.channels.sftp.client.channel import SftpChannel
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.pool import Links
from ecluse.channels.sftp.client.source import SftpSource
from ecluse.channels.webdav import WebDavChannel, WebDavPlaces, WebDavSource

if TYPE_CHECKING:
    from ecluse.app.node import Node

BUCKETS: Final = ("s3", "azure", "gcs")
"""Kinds of channels that are buckets: the fields of a partner's file."""

__all__ = ["BUCKETS", "bucket_places", "folder_place", "join_places", "webdav_places"]


def folder_place(node: Node, name: str) -> FolderPlace:
    """A folder of ``[folders]``, as of the version in force.

    Raises:
        NoFolder: There is none of that name.
    """
    settings = node.directory.hub.folders.get(name)
    if settings is None:
        raise NoFolder(f"There is no folder {name}.")
    return FolderPlace(node.folder / settings.path, settings.create, settings.replace)


def bucket_places(node: Node) -> BucketPlaces:
    """Opens partners' buckets, under the version in force."""
    hub = node.hub
    return BucketPlaces(
        lambda: node.directory, node.resolver, node.folder, hub.clock, node.pool, hub.sightings
    )


def webdav_places(node: Node) -> WebDavPlaces:
    """Opens partners' WebDAV servers, under the version in force."""
    hub = node.hub
    return WebDavPlaces(lambda: node.directory, node.resolver, hub.clock, node.pool, hub.sightings)


def join_places(node: Node) -> None:
    """Give a node its folders, and the clients of partners' servers and buckets."""
    inbox = node.bootstrap.hub.inbox.folder
    node.channels["folder"] = FolderChannel(
        node.hub,
        node.folder / inbox if isinstance(inbox, str) else None,
        lambda name: folder_place(node, name),
    )
    node.sources["folder"] = FolderSource(lambda name: folder_place(node, name))
    links = Links(LoopThread())
    node.closing.append(links.close)
    node.channels["sftp"] = SftpChannel(node.hub, lambda: node.directory, node.resolver, links)
    node.sources["sftp"] = SftpSource(node.hub, lambda: node.directory, node.resolver, links)
    places = bucket_places(node)
    servers = webdav_places(node)
    node.channels["webdav"] = WebDavChannel(node.hub, servers.open)
    node.sources["webdav"] = WebDavSource(servers.open)
    for kind in BUCKETS:
        node.channels[kind] = BucketChannel(kind, node.hub, partial(places.open, kind))
        node.sources[kind] = BucketSource(kind, partial(places.open, kind))
