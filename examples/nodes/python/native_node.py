#!/usr/bin/env python3
"""A whole node in Python: takes tasks of one type from their lane by itself, without millrace-node.

    pip install nats-py
    python3 native_node.py reverse --name py-1

Follows docs/protocol.md, "A native node": pull, run, record the outcome, wait for its PubAck, then ack. Replace work().
"""
import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import sys
import traceback
import uuid
from datetime import datetime, timezone

import nats
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import APIError, NotFoundError

CLASSES = ("high", "normal", "low")
WORKING_EVERY_S = 2      # against an ack_wait of 8 s
HEARTBEAT_EVERY_S = 2
POLL_S = 3               # how long a pull waits at the broker
RESERVED = ("nats-", "outcome")  # headers that are not passed on


class Permanent(Exception):
    """Raise it where trying again cannot help."""


async def work(task_type, headers, body):
    """Returns (content type or None, result bytes)."""
    if headers.get("X-Fail"):
        raise RuntimeError(headers["X-Fail"])
    return headers.get("Content-Type"), body[::-1]


def now():
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def bytes_field(name, data):
    """Bytes in JSON: a string where they are text, else base64 under another name."""
    try:
        text = data.decode()
        if "\0" not in text:
            return {name: text}
    except UnicodeDecodeError:
        pass
    return {name + "_base64": base64.b64encode(data).decode()}


class Node:
    def __init__(self, nc, name, lane, slots):
        self.nc, self.js = nc, nc.jetstream()
        self.name, self.lane, self.type = name, lane, lane.split("--")[0]
        self.instance = uuid.uuid4().hex
        self.slots = asyncio.Semaphore(slots)
        self.nslots, self.used = slots, 0
        self.completed = self.failed = 0
        self.started_at = now()
        self.stopping = asyncio.Event()
        self.tasks = set()

    # ---- one task ----

    async def keep(self, msg):
        while True:
            await asyncio.sleep(WORKING_EVERY_S)
            await msg.in_progress()

    async def publish(self, subject, body, headers):
        """Until it is acknowledged: the same Nats-Msg-Id each time, so once is what is kept."""
        pause = 0.2
        while True:
            try:
                return await self.js.publish(subject, body, headers=headers, timeout=5)
            except (NatsTimeout, APIError, nats.errors.Error) as e:
                print(f"{subject}: {e}, again in {pause:.1f} s", file=sys.stderr)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)

    async def execute(self, msg):
        meta, headers = msg.metadata, dict(msg.headers or {})
        facts = {
            "id": headers["Task-Id"],
            "attempt": int(headers.get("Task-Attempt", 1)),
            "epoch": (int(headers.get("Task-Epoch", 0)) << 32) + meta.sequence.consumer,
            "started_at": now(),
        }
        keeping = asyncio.create_task(self.keep(msg))
        try:
            content_type, result = await work(self.type, headers, msg.data)
            await self.complete(msg, meta, headers, facts, content_type, result)
            self.completed += 1
        except Exception as e:
            traceback.print_exc()
            await self.fail(msg, headers, facts, str(e) or type(e).__name__, isinstance(e, Permanent))
            self.failed += 1
        finally:
            keeping.cancel()

    async def complete(self, msg, meta, headers, facts, content_type, result):
        outcome = {
            "id": facts["id"], "type": self.type, "lane": self.lane, "state": "completed",
            "attempt": facts["attempt"], "epoch": facts["epoch"], "node": self.name,
            "started_at": facts["started_at"], "finished_at": now(),
            "lane_seq": meta.sequence.stream, "deliveries": meta.num_delivered,
            **({"submitted_at": headers["Task-Submitted-At"]} if "Task-Submitted-At" in headers else {}),
            **({"content_type": content_type} if content_type else {}),
            **bytes_field("result", result),
        }
        await self.publish("events.done", json.dumps(outcome).encode(), {
            "Content-Type": "application/json",
            "Nats-Msg-Id": f"{self.instance}-{facts['id']}-{facts['epoch']}",
        })
        await msg.ack()  # only now: the outcome is kept
        tap = {"Task-Id": facts["id"], "Task-State": "completed", "Task-Node": self.name}
        if content_type:
            tap["Content-Type"] = content_type
        await self.nc.publish(f"results.{self.type}.{facts['id']}", result, headers=tap)
        if headers.get("Task-Reply-To"):
            await self.nc.publish(headers["Task-Reply-To"], result, headers=tap)

    async def fail(self, msg, headers, facts, error, permanent):
        """To the router, which decides: again later, or a dead letter. The whole task goes along."""
        passed = {k: v for k, v in headers.items() if not k.lower().startswith(RESERVED)}
        passed |= {
            "Nats-Msg-Id": f"{facts['id']}/{facts['attempt']}/{facts['epoch']}/act",
            "Task-Type": self.type, "Outcome": "failed", "Outcome-Reason": "error",
            "Outcome-Error": " ".join(error.split())[:1000],
            "Outcome-Node": self.name, "Outcome-Lane": self.lane,
            "Outcome-Started-At": facts["started_at"], "Outcome-Finished-At": now(),
        }
        if permanent:
            passed["Outcome-Permanent"] = "true"
        await self.publish("events.act", msg.data, passed)
        await msg.ack()

    async def slot(self, msg):
        self.used += 1
        try:
            await self.execute(msg)
        finally:
            self.used -= 1
            self.slots.release()

    # ---- pulling ----

    async def pull(self, cls):
        sub = None
        while not self.stopping.is_set():
            try:
                if sub is None:  # the consumer is there as soon as the lane is: the router makes both
                    await self.js.consumer_info(f"LANE_{self.lane}", cls)
                    sub = await self.js.pull_subscribe_bind(consumer=cls, stream=f"LANE_{self.lane}")
                await self.slots.acquire()  # never more than there are slots
                try:
                    (msg,) = await sub.fetch(1, timeout=POLL_S)
                except BaseException:
                    self.slots.release()
                    raise
                task = asyncio.create_task(self.slot(msg))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            except NotFoundError:
                sub = None
                await asyncio.sleep(1)  # nobody submitted such a task yet
            except NatsTimeout:
                pass  # nothing there
            except nats.errors.Error as e:
                print(f"pull {cls}: {e}", file=sys.stderr)
                sub = None
                await asyncio.sleep(1)

    # ---- being known ----

    def status(self, state):
        return {
            "name": self.name, "instance": self.instance, "pool": "python", "state": state,
            "slots": self.nslots, "used": self.used, "capabilities": self.lane.split("--")[1:],
            "types": [self.type], "host": socket.gethostname(), "pid": os.getpid(), "version": "example",
            "completed": self.completed, "failed": self.failed,
            "started_at": self.started_at, "heartbeat_at": now(),
        }

    async def heartbeat(self):
        bucket = await self.js.key_value("nodes")
        while not self.stopping.is_set():
            try:
                await bucket.put(self.name, json.dumps(self.status("ready")).encode())
            except nats.errors.Error as e:
                print(f"heartbeat: {e}", file=sys.stderr)
            try:
                await asyncio.wait_for(self.stopping.wait(), HEARTBEAT_EVERY_S)
            except asyncio.TimeoutError:
                pass
        await bucket.delete(self.name)

    async def run(self):
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self.stopping.set)
        # One slot at least for each class, so that a long poll on an empty one does not keep out the others.
        await asyncio.gather(self.heartbeat(), *(self.pull(c) for c in CLASSES))
        if self.tasks:
            await asyncio.wait(self.tasks)


async def main():
    parser = argparse.ArgumentParser(description="a node in Python, for one lane")
    parser.add_argument("lane", help="type, or type--capability: reverse, reverse--gpu")
    parser.add_argument("--name", default=f"py-{os.getpid()}")
    parser.add_argument("--slots", type=int, default=10)
    args = parser.parse_args()
    if args.slots < len(CLASSES):
        parser.error(f"--slots must be at least {len(CLASSES)}")
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), name=args.name,
                            max_reconnect_attempts=-1)
    node = Node(nc, args.name, args.lane, args.slots)
    print(f"{args.name}: ready for {args.lane}", file=sys.stderr, flush=True)
    await node.run()
    await nc.flush()  # the last acks; a drain would wait for pulls that nobody ends
    await nc.close()


if __name__ == "__main__":
    asyncio.run(main())
