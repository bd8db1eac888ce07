// Submitting from the form, and numbers that move by themselves.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

look("a task is submitted from the form and seen to complete", "/#/submit", async (page) => {
	await page.getByLabel("Type", {exact: true}).fill("echo");
	await page.getByLabel("Body", {exact: true}).fill("hello from a browser");
	await page.getByRole("button", {name: "Submit", exact: true}).click();
	const outcome = page.getByRole("region", {name: "What was submitted here"});
	await outcome.getByText("completed", {exact: true}).first().waitFor();
	await outcome.getByText("hello from a browser").waitFor();
	const link = outcome.locator("a.mono").first();
	const id = await link.textContent();
	await link.click();
	await page.getByRole("heading", {level: 1}).getByText(id).waitFor();
	await page.locator("main").getByText("completed", {exact: true}).first().waitFor();
	const task = await system.task(id);
	assert.equal(task.state, "completed");
	assert.equal(task.result, "hello from a browser");
});

look("what the gateway finds wrong is told at its field", "/#/submit", async (page) => {
	await page.getByLabel("Type", {exact: true}).fill("no--such");
	await page.getByRole("button", {name: "Submit", exact: true}).click();
	const type = page.getByLabel("Type", {exact: true});
	await until(async () => (await type.getAttribute("aria-invalid")) === "true", "the field is marked");
});

look("a number moves without a reload", "/#/", async (page) => {
	const done = page.getByRole("region", {name: "The path of tasks"}).getByRole("link", {name: /^Done/});
	await done.waitFor();
	await page.evaluate(() => { globalThis.same = true; });
	const text = () => done.textContent();
	// From a number that stands still.
	let before = await text();
	await until(async () => {
		const now = await text();
		const same = now === before;
		before = now;
		return same;
	}, "the number stands still", 30000, 3000);
	for (let i = 0; i < 20; i++)
		await system.submit("echo", `moves ${i}`);
	await until(async () => (await text()) !== before, "the number moves");
	assert.equal(await page.evaluate(() => globalThis.same), true, "the page was loaded anew");
});

look("the live tail tells of a task", "/#/tail", async (page) => {
	// The stream may be opened a moment after the page: what is submitted before is not its business.
	await until(async () => {
		const id = await system.submit("echo", "for the tail");
		await system.task(id);
		return page.locator("main").getByText(id).first().waitFor({timeout: 3000}).then(() => true);
	}, "a line of the tail", 30000);
});

look("the list is filtered by its address", "/#/tasks?type=echo&state=completed", async (page) => {
	await system.task(await system.submit("hash", "another type"));
	const rows = page.getByRole("region", {name: /tasks/i}).locator("tbody tr");
	await rows.first().waitFor();
	const types = await rows.evaluateAll((all) => all.map((row) => row.textContent));
	assert.ok(types.every((text) => text.includes("echo")), types.join("\n"));
});
