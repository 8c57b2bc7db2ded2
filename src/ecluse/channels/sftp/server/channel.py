"""One channel: SFTP, and a refusal of everything else that SSH can ask of a session."""

from __future__ import annotations

from asyncssh import SSHServerChannel
from asyncssh.packet import SSHPacket

from ecluse.channels.sftp.hotpath import Channel
from ecluse.channels.sftp.server.session import Session

__all__ = ["SftpChannel"]


class SftpChannel(Channel, SSHServerChannel[bytes]):
    """A channel on which only the subsystem ``sftp`` can be started."""

    _session: Session

    @property
    def stalled(self) -> bool:
        """Whether the client keeps us waiting; see :attr:`Session.stalled`."""
        return self._session is not None and self._session.stalled

    def hold_output(self, full: bool) -> None:
        """Have replies wait, or go on."""
        if self._session is not None:
            self._session.hold(full)

    def _process_refused(self, packet: SSHPacket) -> bool:
        return False

    def _process_not_offered(self, packet: SSHPacket) -> None:
        self._report_response(False)

    _process_pty_req_request = _process_refused
    _process_x11_req_request = _process_refused
    _process_auth_agent_req_at_openssh_dot_com_request = _process_not_offered
    _process_env_request = _process_refused
    _process_shell_request = _process_refused
    _process_exec_request = _process_refused
    _process_window_change_request = _process_refused
    _process_signal_request = _process_refused
    _process_break_request = _process_refused
