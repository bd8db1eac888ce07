#!/usr/bin/env python3
"""An agent process for a `worker` handler of millrace-node: plain Python, nothing to install.

The node starts it, sends tasks as frames on stdin and reads answers as frames on stdout
(docs/protocol.md, "Agent processes"). Several tasks run at once, in threads. Replace work().
"""
import json
import os
import re
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

MAX_FRAME = 64 << 20


class Permanent(Exception):
    """Raise it where trying again cannot help."""


def work(task, body, cancelled):
    """Summarises a text; a large one (Task-Object) is a file that the node has fetched. Returns (content type, result bytes). cancelled is a threading.Event to look at."""
    if "file" in task:
        with open(task["file"], "rb") as f:
            body = f.read()
    try:
        text = body.decode()
    except UnicodeDecodeError as e:
        raise Permanent(f"not a text: {e}") from e
    sentences = [s for s in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if s]
    words = re.findall(r"[^\W\d_]+", text.lower())
    long_words = [w for w in words if len(w) > 4]
    frequent = sorted(set(long_words), key=lambda w: (-long_words.count(w), w))[:5]
    summary = {
        "words": len(words),
        "sentences": len(sentences),
        "summary": sentences[0] if sentences else "",
        "keywords": frequent,
        "attempt": task["attempt"],
    }
    return "application/json", json.dumps(summary, ensure_ascii=False).encode()


class Agent:
    def __init__(self):
        self.inp = sys.stdin.buffer
        # Frames alone may go to stdout: what anything prints goes to stderr from here on.
        self.out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.writing = threading.Lock()
        self.running = {}  # run → Event that says "cancelled"

    def read(self):
        """The next (header, body), or None at the end of stdin."""
        prefix = self.inp.read(4)
        if len(prefix) < 4:
            return None
        (length,) = struct.unpack(">I", prefix)
        if length > MAX_FRAME:
            raise ValueError(f"a frame of {length} bytes")
        frame = self.inp.read(length)
        if len(frame) < length:
            return None
        line, _, body = frame.partition(b"\n")
        return json.loads(line), body

    def write(self, header, body=b""):
        line = json.dumps(header).encode() + b"\n"
        with self.writing:
            self.out.write(struct.pack(">I", len(line) + len(body)) + line + body)
            self.out.flush()

    def run(self, task, body, cancelled):
        run = task["run"]
        try:
            content_type, result = work(task, body, cancelled)
            if cancelled.is_set():
                raise RuntimeError("cancelled")
            self.write({"op": "result", "run": run, "content_type": content_type}, result)
        except Exception as e:  # whatever it is, it is told; the process goes on
            self.write({"op": "fail", "run": run, "error": str(e) or type(e).__name__,
                        "permanent": isinstance(e, Permanent)})
        finally:
            self.running.pop(run, None)

    def serve(self):
        pool = None
        while (frame := self.read()) is not None:
            header, body = frame
            if header["op"] == "hello":
                pool = ThreadPoolExecutor(max_workers=header["agents"])
            elif header["op"] == "task":
                cancelled = threading.Event()
                self.running[header["run"]] = cancelled
                pool.submit(self.run, header, body, cancelled)
            elif header["op"] == "cancel" and (cancelled := self.running.get(header["run"])):
                cancelled.set()
        if pool:
            pool.shutdown(wait=True)  # stdin ended: finish what is under way, then end


if __name__ == "__main__":
    Agent().serve()
