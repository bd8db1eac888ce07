#!/usr/bin/env python3
"""An agent of a pool: python3 agent.py architect|coder|executor|critic|deployer

millrace-node starts it for a handler with `kind: worker` and `spawned: true` (handlers.yaml, README.md) and gives it one
task at a time, as frames on stdin and stdout. Python 3.10 or later, nothing to install.
"""
import sys

from frames import Agent
from model import Model, ModelConfigError
from roles import ROLES


def main(argv):
    if len(argv) != 2 or argv[1] not in ROLES:
        sys.exit(f"usage: agent.py {'|'.join(ROLES)}")
    try:
        model = Model.from_environment()
    except ModelConfigError as e:
        sys.exit(f"agent.py: {e}")
    Agent(ROLES[argv[1]](model)).serve()


if __name__ == "__main__":
    main(sys.argv)
