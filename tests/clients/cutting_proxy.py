"""A proxy that is as bad as networks are: it breaks connections off, forgets them, and hides their end."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass

FAULTS = ("none", "close", "reset", "stall", "hidden end")


@dataclass(frozen=True)
class Fate:
    """What happens to a connection, and after how many bytes of the server."""

    fault: str
    after: int


class CuttingProxy:
    """Forwards connections to a port, and breaks most of them."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.calm = False
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._stalled: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            fault = "none" if self.calm else self._random.choice(FAULTS)
            # In an event, in a list, or late.
            fate = Fate(fault, int(10 ** self._random.uniform(2, 5)))
            threading.Thread(target=self._forward, args=(client, fate), daemon=True).start()

    def _forward(self, client: socket.socket, fate: Fate) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            client.close()
            return
        threading.Thread(target=self._ask, args=(client, server, fate), daemon=True).start()
        left = fate.after
        try:
            while piece := server.recv(65_536):
                if fate.fault != "none" and len(piece) > left:
                    client.sendall(piece[:left])
                    self._break(client, server, fate)
                    return
                left -= len(piece)
                client.sendall(piece)
        except OSError:
            pass
        _close(client, server)

    def _ask(self, client: socket.socket, server: socket.socket, fate: Fate) -> None:
        """Forwards what the client sends."""
        try:
            while piece := client.recv(65_536):
                if fate.fault == "hidden end":
                    # The answer then ends with its connection, so a broken one looks whole.
                    piece = piece.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")
                server.sendall(piece)
        except OSError:
            pass
        _close(server)

    def _break(self, client: socket.socket, server: socket.socket, fate: Fate) -> None:
        self.met[fate.fault] += 1
        if fate.fault == "stall":
            # Neither side hears of it.
            self._stalled.append((client, server))
            return
        if fate.fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # This ends the thread that reads from it; only then is the reset sent.
            client.shutdown(socket.SHUT_RD)
            client.close()
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        each.close()
