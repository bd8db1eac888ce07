// What a lane is in, in words; and the end of its pause.
import { api, part } from "../api";
import type { Lane, Node } from "../types";
import { Badge } from "../ui/badge";
import { done } from "../ui/toast";
import { laneTrouble } from "./lane_trouble";

export function LaneState({ lane, nodes: all }: { lane: Lane; nodes: readonly Node[] }) {
	const trouble = laneTrouble(lane, all);
	const limited = Boolean(lane.rate_per_s || lane.concurrency || lane.key_concurrency);
	return (
		<span class="chips">
			{lane.purging && <Badge tone="warn">purging</Badge>}
			{lane.paused && <Badge tone="warn">paused</Badge>}
			{limited && <Badge tone="violet">limited</Badge>}
			{trouble && !lane.paused && !lane.purging && (
				<span title={`${trouble.what} ${trouble.remedy}`}>
					<Badge tone={trouble.level === "critical" ? "bad" : "warn"}>
						{(lane.nodes ?? 0) === 0 ? "no node serves it" : "nearly full"}
					</Badge>
				</span>
			)}
			{!lane.purging && !lane.paused && !trouble && <Badge tone="good">open</Badge>}
		</span>
	);
}

export async function resumeLane(lane: string) {
	await api.post(`/lanes/${part(lane)}/resume`, {});
	done(`${lane}: resumed`);
}
