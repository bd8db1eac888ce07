"""A TCP proxy between two parts: resets, silence, refusal, and of NATS chosen messages that never arrive.

Silence (hold) stops reading, so nothing is garbled: bytes wait, and go on at release, or are gone with cut. filter is called with each
whole frame of the NATS protocol, (upstream, first line, payload), upstream being from the client; False drops it.
"""
import socket
import struct
import threading

CHUNK = 1 << 16


class Proxy:
    def __init__(self, port, host="127.0.0.1", filter=None, listen_port=0, listen_host="127.0.0.1"):
        self.target, self.filter = (host, port), filter
        self.listener = socket.create_server((listen_host, listen_port))
        self.port = self.listener.getsockname()[1]
        self.pairs, self.lock = set(), threading.Lock()
        self.may_pass = {True: threading.Event(), False: threading.Event()}  # upstream, downstream
        self.release()
        self.refusing = self.over = False
        self.resets = self.dropped = 0
        threading.Thread(target=self._accept, daemon=True).start()

    # ---- harm ----

    def cut(self):
        """Resets every connection; what was on its way is gone."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            self.resets += 1
            for s in pair:
                reset(s)
        return len(pairs)

    def refuse(self, on=True):
        """New connections end at once; present ones, and those that are being made, are reset."""
        refuse([self], on)

    def hold(self, up=True, down=True):
        """Connections stay, and nothing passes in these directions."""
        for direction, on in ((True, up), (False, down)):
            if on:
                self.may_pass[direction].clear()

    def release(self):
        for event in self.may_pass.values():
            event.set()

    def close(self):
        with self.lock:
            self.over = True
        self.listener.close()
        self.cut()
        self.release()

    # ---- passing on ----

    def _accept(self):
        while not self.over:
            try:
                client, _ = self.listener.accept()
            except OSError:
                continue
            server = None
            try:
                if not self.refusing:
                    server = socket.create_connection(self.target, 5)
                    if self._join((client, server)):
                        continue
            except OSError:
                pass
            for s in (client, server):
                if s:
                    reset(s)

    def _join(self, pair):
        """False: it is refused by now. Whoever refuses cuts what is in pairs then, so nothing may be added later."""
        for s in pair:
            s.settimeout(None)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            if self.refusing or self.over:
                return False
            self.pairs.add(pair)
        for upstream in (True, False):
            threading.Thread(target=self._pump, args=(pair, upstream), daemon=True).start()
        return True

    def _pump(self, pair, upstream):
        source, sink = pair if upstream else pair[::-1]
        rest = b""
        try:
            while True:
                self.may_pass[upstream].wait()
                data = source.recv(CHUNK)
                self.may_pass[upstream].wait()
                if not data:
                    break
                if self.filter:
                    data, rest = self._choose(rest + data, upstream)
                sink.sendall(data)
        except OSError:
            pass
        with self.lock:
            self.pairs.discard(pair)
        for s in pair:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _choose(self, data, upstream):
        """(what passes, the beginning of a frame that is not whole yet)"""
        passes, at = [], 0
        while (end := data.find(b"\r\n", at)) >= 0:
            line, size = data[at:end], 0
            if line[:4].upper() in (b"PUB ", b"MSG ") or line[:5].upper() in (b"HPUB ", b"HMSG "):
                size = int(line.rsplit(b" ", 1)[1]) + 2
            if len(data) < end + 2 + size:
                break
            frame = data[at:end + 2 + size]
            if not size or self.filter(upstream, line, frame[end - at + 2:-2]):
                passes.append(frame)
            else:
                self.dropped += 1
            at = end + 2 + size
        return b"".join(passes), data[at:]


def refuse(proxies, on=True):
    """All of them, before the first connection is cut: who loses one tries the others at once."""
    for p in proxies:
        with p.lock:
            p.refusing = on
    if on:
        for p in proxies:
            p.cut()


def reset(s):
    """RST in place of FIN."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


def loses(rng, share, pubacks=False, acks=False):
    """A filter: PubAcks on their way to a client, or acks of deliveries on their way to the broker, are lost at that share."""
    def passes(upstream, line, payload):
        if upstream and acks and b"$JS.ACK." in line and payload in (b"", b"+ACK"):
            return rng.random() >= share
        if not upstream and pubacks and payload.startswith(b'{"stream":'):
            return rng.random() >= share
        return True
    return passes
