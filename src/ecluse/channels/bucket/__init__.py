"""Buckets of partners: S3 and whatever speaks it, Azure Blob Storage, Google Cloud Storage.

A document is an object under the prefix agreed, created only where there is none of its key, and looked at once it is
there. S3 goes over our own HTTP client (:mod:`~ecluse.channels.bucket.s3` says why), the others through obstore.
"""

from ecluse.channels.bucket.channel import BucketChannel
from ecluse.channels.bucket.places import BucketPlace, BucketPlaces
from ecluse.channels.bucket.remote import BucketSource

__all__ = ["BucketChannel", "BucketPlace", "BucketPlaces", "BucketSource"]
