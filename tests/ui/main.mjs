// All tests in one process, one after another, on one system: what one leaves the next may meet.
import {after, test} from "node:test";

import {closeBrowser} from "./lib/browser.mjs";
import {startShared, stopShared} from "./lib/shared.mjs";

await startShared();
for (const signal of ["SIGINT", "SIGTERM"]) {
	process.once(signal, async () => {
		await stopShared().catch(() => {});
		process.exit(1);
	});
}

for (const name of ["tasks", "lanes", "nodes", "dead", "schedules", "health", "looks", "keyboard", "access", "away"])
	await import(`./${name}.test.mjs`);

test("the logs are clean, and nothing is left", {timeout: 240000}, async () => {
	await closeBrowser();
	await stopShared();
});
// Where only some tests are asked for, that one was not.
after(async () => {
	await closeBrowser();
	await stopShared();
});
