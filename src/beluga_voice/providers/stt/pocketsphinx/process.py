"""The processes that decode: a parent that holds the models, and one forked child for each speaker.

pocketsphinx keeps the interpreter lock while it decodes, so a thread would stall the event loop. This program loads
the models once and then forks a child for each request; the children share the models' memory copy-on-write and are
ready at once. It is started as a file of its own and not by ``multiprocessing``, which would run the user's own main
module again.

Messages are a kind (one byte), a length (four bytes, little-endian) and a body. The parent's end of a socket closes
→ the process ends.

======  ==================================================  ================================
kind    body                                                reply
======  ==================================================  ================================
F       empty; the child's socket comes as ancillary data   R and the child's process id
B       empty: an utterance begins                          R, empty
A       s16le at 16 kHz                                     R and the words so far (UTF-8)
E       s16le at 16 kHz: the last audio                     R and the final words (UTF-8)
======  ==================================================  ================================

A child that cannot be made is answered with X and the reason. A request that takes 15 s ends its process: whoever asked
has given up by then, and a process that hangs would not notice that its socket is closed.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
import sys
from typing import Any

__all__ = ["FORK", "HEADER", "receive", "send"]

HEADER = struct.Struct("<cI")
FORK = HEADER.pack(b"F", 0)
_MAX_BODY = 64 * 1024 * 1024
_LONGEST_REQUEST = 15.0


def send(sock: socket.socket, kind: bytes, body: bytes = b"") -> None:
    """Writes one message."""
    sock.sendall(HEADER.pack(kind, len(body)) + body)


def receive(sock: socket.socket) -> tuple[bytes, bytes]:
    """Reads one message.

    Raises:
        EOFError: the peer is gone.
    """
    kind, length = HEADER.unpack(_exactly(sock, HEADER.size))
    if length > _MAX_BODY:
        raise EOFError("the peer does not speak this protocol")
    return kind, _exactly(sock, length)


def _exactly(sock: socket.socket, count: int) -> bytes:
    out = bytearray()
    while len(out) < count:
        piece = sock.recv(count - len(out))
        if not piece:
            raise EOFError
        out += piece
    return bytes(out)


def _load(arguments: list[str]) -> Any:
    import pocketsphinx

    module: Any = pocketsphinx
    settings = dict(zip(arguments[::2], arguments[1::2], strict=True))
    return module.Decoder(module.Config(loglevel="FATAL", samprate=16000, **settings))


def _words(decoder: Any) -> bytes:
    found = decoder.hyp()
    return (found.hypstr if found is not None else "").encode()


def _serve(decoder: Any, sock: socket.socket) -> None:
    """One speaker: utterance after utterance until the parent closes the socket."""
    in_utterance = False
    while True:
        kind, body = receive(sock)
        signal.setitimer(signal.ITIMER_REAL, _LONGEST_REQUEST)
        if kind == b"B" and not in_utterance:
            decoder.start_utt()
            in_utterance = True
        if kind in (b"A", b"E") and in_utterance and body:
            decoder.process_raw(body, False, False)
        if kind == b"E" and in_utterance:
            decoder.end_utt()
            in_utterance = False
        reply = b"" if kind == b"B" else _words(decoder)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(sock, b"R", reply)


def _fork_server(decoder: Any, sock: socket.socket) -> None:
    while True:
        header, descriptors, _, _ = socket.recv_fds(sock, HEADER.size, 1)
        if not header:
            return
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or no memory: the ones there are go on
            os.close(descriptors[0])
            send(sock, b"X", str(error).encode())
            continue
        if pid == 0:
            sock.close()
            child = socket.socket(fileno=descriptors[0])
            with contextlib.suppress(EOFError, OSError):
                _serve(decoder, child)
            os._exit(0)
        os.close(descriptors[0])
        send(sock, b"R", array.array("i", [pid]).tobytes())


def main() -> None:
    """Loads the models, says so, and forks until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, even inside the decoder
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    sock = socket.socket(fileno=int(sys.argv[1]))
    decoder = _load(sys.argv[2:])
    send(sock, b"R", b"ready")
    with contextlib.suppress(EOFError, OSError):
        _fork_server(decoder, sock)


if __name__ == "__main__":
    main()
