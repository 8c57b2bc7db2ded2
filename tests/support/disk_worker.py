"""A process that writes durably, to be traced, failed and killed.

Run as ``python -m tests.support.disk_worker HOW PATH``; it prints ``durable`` or the code of its error.
``MUTANT=1`` in its environment takes the fsyncs away: a test that still passes then proves nothing.
"""

import os
import sys

from ecluse import durable
from ecluse.blobs.local import LocalPlace
from ecluse.errors import EcluseError

DATA = b"0123456789abcdef" * 8192


def main(how: str, path: str) -> None:
    match how:
        case "new":
            durable.write_new(path, [DATA[:1000], DATA[1000:]])
        case "replace":
            durable.replace(path, DATA)
        case "blob":
            writer = LocalPlace(path).create("b0123456789")
            try:
                writer.write(DATA)
                writer.commit()
            except EcluseError:
                writer.abort()
                raise


if __name__ == "__main__":
    if os.environ.get("MUTANT"):
        os.fsync = lambda handle: None
    try:
        main(sys.argv[1], sys.argv[2])
    except EcluseError as error:
        print(error.code)
        raise SystemExit(3) from None
    print("durable")
