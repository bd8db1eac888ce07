// The canary's stages as they go: how many were tried, how they ended, what stopped it.
import { plural } from "../format";
import { taskHref } from "../location";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card, Meter } from "../ui/card";
import { STAGE_NAMES, STAGES, stageSize, type Verdict } from "./canary";
import { canary, stopCanary } from "./canary_live";
import type { Canary, CanaryStage } from "./canary_run";

const WORDS: Record<Verdict, [tone: string, words: string]> = {
	wait: ["blue", "under way"],
	go: ["good", "went well"],
	same: ["bad", "the failure is back"],
	other: ["bad", "most died of something else"],
};

function verdictOf(s: CanaryStage | undefined, size: number, c: Canary) {
	if (s?.verdict === "wait" && c.over)
		return <Badge tone="warn">stopped</Badge>;
	if (s)
		return <Badge tone={WORDS[s.verdict][0]}>{WORDS[s.verdict][1]}</Badge>;
	return <Badge>{size === 0 ? "not needed" : c.over ? "not begun" : "to come"}</Badge>;
}

function outcome(c: Canary): string {
	const last = c.stages[c.stages.length - 1];
	if (c.error)
		return `It broke off: ${c.error} Nothing is lost; start it again to go on.`;
	if (c.stopped)
		return "You stopped it. The other letters are where they were.";
	if (last && (last.verdict === "same" || last.verdict === "other"))
		return "It stopped by itself. The other letters are where they were.";
	return "All were replayed, and completed well enough.";
}

export function CanaryView() {
	const running = canary.value;
	if (!running)
		return null;
	const { canary: c, total, name } = running;
	return (
		<Card title={`Canary of ${name}`} class="canary" aside={c.over
			? <Button small icon="close" onClick={() => { canary.value = null; }}>Put away</Button>
			: <Button small icon="stop" kind="danger" onClick={stopCanary}>Stop</Button>}>
			<ol class="canary-stages">
				{STAGES.map((stage) => {
					const s = c.stages.find((x) => x.stage === stage);
					const size = stageSize(stage, total);
					const ended = s ? s.tally.completed + s.tally.same + s.tally.other : 0;
					return (
						<li key={stage} class={s ? s.verdict : ""}>
							<span class="stage-name">{STAGE_NAMES[stage]}<span class="mute"> {plural(size, "letter")}</span></span>
							{verdictOf(s, size, c)}
							<Meter value={size ? ended / size : 0} tone={s?.verdict === "same" || s?.verdict === "other" ? "bad" : "none"}
								label={`${ended} of ${size} have ended`} />
							<span class="stage-tally mute">{s ? `${s.tally.completed} completed, ${s.tally.same} died of the same, ${s.tally.other} of something else` : ""}</span>
						</li>
					);
				})}
			</ol>
			<p role="status" aria-live="polite">
				{c.over ? outcome(c) : "It goes on while you look at other pages of this tab."}
				{c.example && <> Such as <a class="mono" href={taskHref(c.example)}>{c.example}</a>.</>}
				{c.refused.length > 0 && <> {plural(c.refused.length, "letter")} could not be replayed: {c.refused[0]!.error}</>}
			</p>
		</Card>
	);
}
