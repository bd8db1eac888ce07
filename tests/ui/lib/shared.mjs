// The system that all tests share, and a test that has a page of it.
import {test} from "node:test";
import {join} from "node:path";

import {withPage} from "./browser.mjs";
import {ROOT, System} from "./system.mjs";

export let system;
let stopping;

export async function startShared() {
	// Two nodes by hand, and pools: of plain nodes, and of agents.
	system = await System.start("--nodes", 2, "--scaler-config", join(ROOT, "examples/agents/scaler.yaml"));
}

/** Once, however often it is asked. */
export function stopShared() {
	stopping ??= system.stop();
	return stopping;
}

/** A test with a page of the dashboard at that place ("/#/lanes"); options are those of openPage. */
export function look(name, path, what, options = {}) {
	test(name, {timeout: options.timeout ?? 120000}, () => withPage(system, path, options, what));
}
