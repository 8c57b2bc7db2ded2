"""An S3 server for tests: OpenStack Swift with its S3 face, all four servers in one process.

Run by the Python of ``build/peers/s3``: ``python s3_server.py FOLDER PORT``. It keeps all it has in FOLDER,
listens on 127.0.0.1, and prints ``ready``. Access key ``test:tester``, secret ``testing``.
"""

import eventlet

eventlet.patcher.monkey_patch(all=False, socket=True, select=True, thread=True)

import getpass  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from eventlet import hubs, wsgi  # noqa: E402
from swift.common import utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

BACKENDS = ("account", "container", "object")
PIPELINE = (
    *("catch_errors", "listing_formats", "bulk", "s3api", "tempauth"),
    *("slo", "dlo", "versioned_writes", "symlink", "proxy-server"),
)


def write_files(folder: Path, ports: dict[str, int]) -> None:
    (folder / "node" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n"
        "[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    common = f"[DEFAULT]\nswift_dir = {folder}\nuser = {getpass.getuser()}\nlog_level = ERROR\n"
    for kind in BACKENDS:
        (folder / f"{kind}.conf").write_text(
            f"{common}devices = {folder / 'node'}\nmount_check = false\n"
            f"[pipeline:main]\npipeline = {kind}-server\n"
            f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
        )
        builder = RingBuilder(1, 1, 0)
        builder.add_dev(
            {
                "id": 0,
                "region": 1,
                "zone": 1,
                "weight": 1.0,
                "ip": "127.0.0.1",
                "port": ports[kind],
                "device": "disk",
                "meta": "",
                "replication_ip": "127.0.0.1",
                "replication_port": ports[kind],
            }
        )
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{kind}.ring.gz"))
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{name}\n"
        for name in PIPELINE
        if name not in ("s3api", "tempauth", "proxy-server")
    )
    (folder / "proxy.conf").write_text(
        f"{common}[pipeline:main]\npipeline = {' '.join(PIPELINE)}\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        "[filter:s3api]\nuse = egg:swift#s3api\nlocation = us-east-1\ncheck_bucket_owner = false\n"
        "[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = testing .admin\n" + filters
    )


def main(folder: Path, port: int) -> None:
    sockets = {kind: eventlet.listen(("127.0.0.1", 0)) for kind in BACKENDS}
    write_files(folder, {kind: each.getsockname()[1] for kind, each in sockets.items()})
    utils.set_swift_dir(str(folder))
    sockets["proxy"] = eventlet.listen(("127.0.0.1", port))
    silent = utils.NullLogger()
    for kind, each in sockets.items():
        app = loadapp(str(folder / f"{kind}.conf"))
        eventlet.spawn(wsgi.server, each, app, silent, log_output=False, capitalize_response_headers=False)
    print("ready", flush=True)
    hubs.trampoline(sys.stdin.fileno(), read=True)  # until whoever started this process goes away


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
