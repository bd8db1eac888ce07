// Drain, undrain, stop: what can be asked of a node.
import { api, part } from "../api";
import type { Node } from "../types";
import { Button } from "../ui/button";
import { confirm } from "../ui/dialog";
import { done } from "../ui/toast";

async function drain(name: string) {
	await api.post(`/nodes/${part(name)}/drain`, {});
	done(`${name} drains: it takes nothing new, what runs ends as usual`);
}
async function undrain(name: string) {
	await api.post(`/nodes/${part(name)}/undrain`, {});
	done(`${name} takes tasks again`);
}
async function stop(node: Node) {
	const sure = await confirm({
		title: `Stop ${node.name}?`,
		text: <p>It finishes the {node.used ?? 0} that run, then its process ends. A pool that needs it, or who supervises it, may start another.</p>,
		yes: `Stop ${node.name}`,
		danger: true,
	});
	if (!sure)
		return;
	await api.post(`/nodes/${part(node.name)}/stop`, {});
	done(`${node.name} finishes what runs, and ends`);
}

export function NodeActs({ node, small }: { node: Node; small?: boolean }) {
	const alive = node.state === "ready" || node.state === "draining";
	const size = small ? { small: true } : {};
	return (
		<span class="acts">
			{node.state === "draining"
				? <Button {...size} icon="play" scope="operate" label={`Undrain ${node.name}`} onClick={() => undrain(node.name)}>Undrain</Button>
				: <Button {...size} icon="pause" kind={small ? "quiet" : "plain"} scope="operate" label={`Drain ${node.name}`}
					disabled={!alive} onClick={() => drain(node.name)}>Drain</Button>}
			<Button {...size} icon="stop" kind={small ? "quiet" : "danger"} scope="operate" label={`Stop ${node.name}`}
				disabled={!alive} onClick={() => stop(node)}>Stop</Button>
		</span>
	);
}
