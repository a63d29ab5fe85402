"""What every lane's worker does with a connection, without a door: who reads slowly is no other caller than before."""

import os
import select
import socket

from gunicorn.config import Config  # type: ignore[import-untyped]

from server.lane_worker import Caller, LaneWorker

LONG = b"x" * 1_000_000


class _Verbose(LaneWorker):
    """Answers everything at length."""

    def __init__(self) -> None:
        super().__init__(1, os.getppid(), [], None, 30, Config(), None)
        self._events, self._listeners = select.epoll(), {}
        self._keepalive, self._deadline = 15, 30
        self.heard: list[bytes] = []

    def answer(self, caller: Caller) -> None:
        self.heard.append(caller.came)
        caller.came = b""
        self.answered(caller, LONG)

    def take(self, sock: socket.socket) -> None:
        """Take a connection."""
        self.nr_conns += 1
        self._adopt(sock, ("192.0.2.1", 50_000), ("127.0.0.1", 80))

    def close(self) -> None:
        """Close what it has open."""
        self._events.close()
        self.tmp.close()


def test_who_took_an_answer_in_pieces_is_heard_again_and_nothing_is_answered_twice() -> None:
    worker = _Verbose()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.take(theirs)
        for question in (b"?", b"and?"):
            ours.sendall(question)
            read = 0
            while read < len(LONG):
                worker.wait_for_and_dispatch_events(0)
                read += len(ours.recv(65_536))
            worker.wait_for_and_dispatch_events(0)
        assert worker.heard == [b"?", b"and?"]
        assert len(worker.callers) == worker.nr_conns == 1
        ours.shutdown(socket.SHUT_WR)
        worker.wait_for_and_dispatch_events(0)
        assert len(worker.callers) == worker.nr_conns == 0
    worker.close()
