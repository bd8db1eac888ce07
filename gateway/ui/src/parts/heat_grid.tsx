// All nodes at a glance: a square each, its shade how full, its border its state. The figure stands in it
// as long as there are few, and in its name for who hovers or listens.
import { part } from "../api";
import { plural } from "../format";
import { href } from "../location";
import type { Node } from "../types";
import { byPool, heatOf, heatStep, heatWords, type Heat } from "./heat";

const FEW = 60; // nodes; beyond that the squares are small

function figure(node: Node, by: Heat): string {
	return by === "slots" ? `${node.used ?? 0}/${node.slots ?? 0}` : `${Math.round(heatOf(node, by) * 100)} %`;
}

export function HeatGrid({ nodes, by }: { nodes: readonly Node[]; by: Heat }) {
	const few = nodes.length <= FEW;
	return (
		<div class={`heat ${few ? "" : "many"}`}>
			{byPool(nodes).map(([pool, of]) => (
				<section key={pool} aria-label={`Pool ${pool || "none"}`}>
					<h3>{pool || "no pool"} <span class="mute">{plural(of.length, "node")}</span></h3>
					<ul>
						{of.map((n) => (
							<li key={n.name}>
								<a class={`heat-cell step-${heatStep(heatOf(n, by))} ${n.state ?? ""}`}
									href={href(`/nodes/${part(n.name)}`)}
									title={`${n.name}: ${n.state}, ${heatWords(n, by)}`}
									aria-label={`${n.name}, ${n.state}, ${heatWords(n, by)}`}>
									{few && <span class="name">{n.name}</span>}
									{few && <span class="figure">{n.state === "ready" ? figure(n, by) : n.state}</span>}
								</a>
							</li>
						))}
					</ul>
				</section>
			))}
			<p class="heat-key mute">
				{["nothing", "to 25 %", "to 50 %", "to 75 %", "to 100 %"].map((words, i) => (
					<span key={words}><i class={`step-${i}`} aria-hidden="true" />{words}</span>
				))}
			</p>
		</div>
	);
}
