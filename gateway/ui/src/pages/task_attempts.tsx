// Attempts as a waterfall: what each one did, from the submission to the end. A table, so that it
// says the same without being seen.
import { ms } from "../format";
import { waterfall } from "../attempts";
import { href } from "../location";
import { isFinished } from "../tasks_query";
import type { Task } from "../types";
import { StateBadge } from "../ui/badge";
import { Card } from "../ui/card";
import { now } from "../ui/time";

const TONES: Record<string, string> = { completed: "good", running: "teal", cancelled: "mute" };

export function Attempts({ task }: { task: Task }) {
	const { bars, total_ms } = waterfall(task, isFinished(task.state) ? 0 : now.value);
	if (bars.length === 0)
		return null;
	return (
		<Card flush title="Attempts" aside={<span>{ms(total_ms)} {isFinished(task.state) ? "from submission to end" : "since submission"}</span>}>
			<div class="table-box" tabIndex={0} role="region" aria-label="Attempts">
				<table class="waterfall">
					<caption class="hidden">Attempts, in order</caption>
					<thead>
						<tr>
							<th scope="col" class="right">#</th><th scope="col">Outcome</th><th scope="col">Node</th>
							<th scope="col" class="right">Took</th><th scope="col" class="lane-head"><span>submitted</span><span>{isFinished(task.state) ? "ended" : "now"}</span></th>
						</tr>
					</thead>
					<tbody>
						{bars.map((b) => (
							<tr key={`${b.attempt} ${b.started_at}`}>
								<td class="right">{b.attempt}</td>
								<td><StateBadge state={b.outcome} /></td>
								<td>{b.node ? <a class="plain-link" href={href(`/nodes/${encodeURIComponent(b.node)}`)}>{b.node}</a> : "–"}</td>
								<td class="right">{ms(b.took_ms)}</td>
								<td class="grow">
									<span class="track">
										<span class={`bar ${TONES[b.outcome] ?? "bad"}`}
											style={{ left: `min(${b.from * 100}%, 100% - 3px)`, width: `max(3px, ${(b.to - b.from) * 100}%)` }} />
									</span>
									{b.error && <span class="bar-words" title={b.error}>{b.error}</span>}
								</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</Card>
	);
}
