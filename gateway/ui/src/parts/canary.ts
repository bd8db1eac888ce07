// A canary: what died of one failure is tried again in stages, one task, then a tenth, then the rest,
// and no further once the failure is back. Pure; the page's twin of cli/canary.c.
export const STAGES = ["one", "tenth", "rest"] as const;
export type Stage = (typeof STAGES)[number];

export const STAGE_NAMES: Record<Stage, string> = { one: "1 task", tenth: "10 %", rest: "the rest" };

/** How many are tried in that stage, of total; 0: the stage is left out. */
export function stageSize(stage: Stage, total: number): number {
	const one = Math.min(total, 1);
	const tenth = Math.min(Math.max(Math.ceil(total / 10), one), total);
	switch (stage) {
	case "one":
		return one;
	case "tenth":
		return tenth - one;
	case "rest":
		return total - tenth;
	}
}

/** How the tasks of a stage ended so far. */
export interface Tally {
	replayed: number;
	completed: number;
	same: number; // dead of the failure that they had died of
	other: number; // dead of another, or cancelled
}

export type Verdict = "wait" | "go" | "same" | "other";

/** One return of the failure is enough; other deaths stop it only where they are the rule. */
export function judge(t: Tally): Verdict {
	if (t.same > 0)
		return "same";
	if (t.completed + t.other < t.replayed)
		return "wait";
	return t.other > t.completed ? "other" : "go";
}

/** Whether both tell of one failure: its first ten digits; what follows is the handler's version. */
export function sameFailure(a: string | undefined, b: string | undefined): boolean {
	return Boolean(a && b) && a!.slice(0, 10) === b!.slice(0, 10);
}
