// Schedules: what an expression would do is seen before it is saved.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const schedule = async (name) => system.api("GET", `/api/v1/schedules/${name}`);

look("a schedule shows its next ticks before it is saved, runs, pauses, and goes", "/#/schedules", async (page) => {
	await page.getByRole("button", {name: "New schedule…"}).first().click();
	const dialog = page.getByRole("dialog", {name: "New schedule"});
	await dialog.getByLabel("Name", {exact: true}).fill("ui-nightly");
	await dialog.getByLabel("Type of its tasks").fill("echo");
	await dialog.getByLabel("When", {exact: true}).fill("30 2 * * *");
	const ticks = dialog.getByRole("region", {name: "Next ticks"}).locator("time");
	await until(async () => (await ticks.count()) === 5, "five ticks");
	assert.match(await ticks.first().getAttribute("datetime"), /T02:30:00/);
	assert.equal((await schedule("ui-nightly")).status, 404, "it was saved before it was asked for");
	await dialog.getByLabel("Body", {exact: true}).fill("by the clock");
	await dialog.getByRole("button", {name: "Save"}).click();
	await dialog.waitFor({state: "detached"});
	assert.equal((await schedule("ui-nightly")).json.cron, "30 2 * * *");

	const row = page.getByRole("row", {name: /ui-nightly/});
	await row.getByRole("button", {name: "Run now: ui-nightly"}).click();
	const id = await page.locator(".toast").getByRole("link").textContent();
	assert.equal((await system.task(id)).result, "by the clock");
	await row.getByRole("button", {name: "Pause ui-nightly"}).click();
	await row.getByText("paused", {exact: true}).waitFor();
	assert.equal((await schedule("ui-nightly")).json.paused, true);
	await row.getByRole("button", {name: "Resume ui-nightly"}).click();
	await row.getByText("ticks", {exact: true}).waitFor();
	await row.getByRole("button", {name: "Remove ui-nightly"}).click();
	await page.getByRole("dialog").getByRole("button", {name: "Remove ui-nightly"}).click();
	await row.waitFor({state: "detached"});
	assert.equal((await schedule("ui-nightly")).status, 404);
});

look("an expression that is none is told while it is written", "/#/schedules", async (page) => {
	await page.getByRole("button", {name: "New schedule…"}).first().click();
	const dialog = page.getByRole("dialog", {name: "New schedule"});
	const when = dialog.getByLabel("When", {exact: true});
	await when.fill("61 * * * *");
	await until(async () => (await when.getAttribute("aria-invalid")) === "true", "the field is marked");
	await when.fill("*/5 * * * *");
	await until(async () => (await when.getAttribute("aria-invalid")) === null, "the mark is gone");
}, {tolerate: /status of 400/});
