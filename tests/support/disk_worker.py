"""A process that writes durably, to be traced, failed and killed: python -m tests.support.disk_worker HOW PATH."""

import sys

from ecluse.blobs.durable import replace, write_new
from ecluse.blobs.local import LocalPlace
from ecluse.errors import EcluseError

DATA = b"0123456789abcdef" * 8192


def main(how: str, path: str) -> None:
    match how:
        case "new":
            write_new(path, [DATA[:1000], DATA[1000:]])
        case "replace":
            replace(path, DATA)
        case "blob":
            writer = LocalPlace(path).create("b0123456789")
            writer.write(DATA)
            writer.commit()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except EcluseError as error:
        print(error.code)
        raise SystemExit(3) from None
    print("durable")
