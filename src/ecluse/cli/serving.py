"""A serving process: its event loop, its signals and its log."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
from typing import Final

import structlog
import typer

from ecluse.app.service import Service, keep_what_is_made
from ecluse.channels.http.errors import ListenFailed
from ecluse.cli.frame import Frame, show_error, write_json
from ecluse.errors import EcluseError, Fault

__all__ = ["BadServing", "run_service"]

_LISTEN: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):([0-9]{1,5})")
_LEVELS: Final = ("debug", "info", "warning", "error")
_INTERRUPTED: Final = 130
"""Exit code of a process that a second signal ended: 128 and SIGINT, as shells count."""


class BadServing(EcluseError):
    """An option of ``serve`` that can't be."""

    code = "serve.bad-option"
    fault = Fault.USAGE
    remedy = "Give --listen as HOST:PORT, and --log-level as one of debug, info, warning and error."


def run_service(frame: Frame, listen: str | None, log_level: str) -> None:
    """Serve until a signal says to stop.

    Raises:
        BadServing: An option can't be.
        EcluseError: The hub can't be opened.
    """
    match = _LISTEN.fullmatch(listen) if listen is not None else None
    if listen is not None and (match is None or int(match[2]) > 65535):
        raise BadServing("That is no address to listen on.")
    if log_level not in _LEVELS:
        raise BadServing("There is no such level of the log.")
    set_up_log(log_level)
    with frame.node(serving=True) as node:
        service = Service(node, listen=listen)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(_serve(frame, service, listen or node.bootstrap.hub.listen.as2.address))
        except ListenFailed as error:
            # The command was right; it is the machine that says no.
            show_error(error, as_json=frame.json)
            raise typer.Exit(1) from None


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


async def _serve(frame: Frame, service: Service, address: str) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await service.start()
    keep_what_is_made()
    node = service.node
    bound = f"{address.rpartition(':')[0]}:{service.port}"
    settings = node.bootstrap.hub.listen.as2
    scheme = "https" if settings.tls is not None else "http"
    organisation = node.directory.organisation
    if frame.json:
        write_json(
            {
                "listening": bound,
                "url": f"{scheme}://{bound}{settings.path}",
                "public_url": settings.public_url,
                "as2_id": organisation.as2_id,
                "sftp": service.sftp.address if service.sftp is not None else None,
                "node": node.name,
                "pid": os.getpid(),
            }
        )
    elif not frame.quiet:
        frame.out.print(
            f"{organisation.name} ({organisation.as2_id}) listens at {scheme}://{bound}{settings.path}",
            markup=False,
            soft_wrap=True,
        )
        if service.sftp is not None:
            frame.out.print(f"Partners' SFTP clients log in at {service.sftp.address}", soft_wrap=True)
        sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        await service.stop()


def set_up_log(level: str) -> None:
    """Write the log to standard error: for people on a terminal, else a JSON object a line."""
    terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        # A traceback without its local variables: they may hold what is secret.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
