"""A scaler's configuration with a pool of agents, for systems of `millrace dev`."""
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def crew(**more):
    """Words for System(scaler=…): pool `crew`, roles coder and critic, ten agents a process."""
    directory = Path(tempfile.mkdtemp(prefix="millrace-test-crew-"))
    agent = ROOT / "examples/nodes/python/worker_agent.py"
    handlers = directory / "handlers.yaml"
    handlers.write_text("handlers:\n" + "".join(
        f"  - {{type: {role}, kind: worker, command: [python3, {agent}], spawned: true}}\n" for role in ("coder", "critic")))
    keys = {"name": "crew", "agents": 10, "min": 0, "max": 8, "handlers": handlers, "down": "2s", **more}
    config = directory / "scaler.yaml"
    config.write_text("pools:\n  - {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n")
    return ["--scaler-config", str(config)]
