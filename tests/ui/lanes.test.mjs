// Lanes: pausing, limits, purging, and why nobody serves one.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const lane = async (name) => (await system.api("GET", `/api/v1/lanes/${name}`)).json;
// More than nodes may have asked for before a pause: those they are still given, only to hand them back.
const MANY = 60;
const many = (type, payload) => Promise.all(Array.from({length: MANY}, () => system.submit(type, payload)));
/** The page says that some wait (and the sentence why, above it or above all pages). */
async function someWait(page) {
	const value = page.locator(".stat", {has: page.getByText("Waiting", {exact: true})}).locator(".value");
	await until(async () => Number((await value.textContent()).replace(/\D/g, "")) > 0, "some wait");
	await page.locator(".banner", {hasText: /paused/}).first().waitFor();
}
/** The lane is there, and open whatever a test before left. */
const warm = async (type) => {
	await system.cli("lane", "resume", type);
	return system.task(await system.submit(type, "0"));
};

look("a lane is paused with a reason, and resumed", "/#/lanes", async (page) => {
	await warm("hash");
	await page.getByRole("link", {name: "hash", exact: true}).click();
	await page.getByRole("button", {name: "Pause…"}).click();
	const dialog = page.getByRole("dialog", {name: "Pause hash"});
	await dialog.getByLabel("Reason").fill("a new model");
	await dialog.getByRole("button", {name: "10 min"}).click();
	await dialog.getByRole("button", {name: "Pause", exact: true}).click();
	const main = page.locator("main");
	await main.getByText("a new model").waitFor();
	const paused = await lane("hash");
	assert.equal(paused.paused, true);
	assert.equal(paused.reason, "a new model");
	const left_s = (Date.parse(paused.until_at) - Date.now()) / 1000;
	assert.ok(left_s > 500 && left_s <= 600, `${left_s}`);

	const ids = await many("hash", "waits");
	await someWait(page);
	for (const id of ids)
		assert.equal((await system.task(id, () => true)).state, "queued");
	await page.getByRole("button", {name: "Resume", exact: true}).click();
	for (const id of ids)
		assert.equal((await system.task(id)).state, "completed");
	await page.getByRole("button", {name: "Pause…"}).waitFor();
	assert.ok(!(await lane("hash")).paused);
});

look("limits are set and taken away", "/#/lanes/echo", async (page) => {
	await warm("echo");
	const form = async (values) => {
		await page.getByRole("button", {name: "Limits…"}).click();
		const dialog = page.getByRole("dialog", {name: "Limits of echo"});
		for (const [label, value] of Object.entries(values))
			await dialog.getByLabel(label, {exact: true}).fill(value);
		await dialog.getByRole("button", {name: "Set limits"}).click();
		await dialog.waitFor({state: "detached"});
	};
	await form({Rate: "500", Concurrency: "7"});
	await until(async () => (await lane("echo")).rate_per_s === 500, "the rate is set");
	assert.equal((await lane("echo")).concurrency, 7);
	await page.locator("main").getByText("500 /s").waitFor();
	await page.locator("main").getByText("limited", {exact: true}).waitFor();
	await form({Rate: "", Concurrency: ""});
	await until(async () => !(await lane("echo")).rate_per_s, "the rate is taken away");
	assert.ok(!(await lane("echo")).concurrency);
});

look("a limit that is none can't be set", "/#/lanes/echo", async (page) => {
	await page.getByRole("button", {name: "Limits…"}).click();
	const dialog = page.getByRole("dialog", {name: "Limits of echo"});
	await dialog.getByLabel("Rate", {exact: true}).fill("many");
	await dialog.getByText("A number above 0, or nothing").waitFor();
	assert.equal(await dialog.getByRole("button", {name: "Set limits"}).isDisabled(), true);
});

look("a lane is purged by who types its name", "/#/lanes/flaky", async (page) => {
	await warm("flaky");
	await system.cli("lane", "pause", "flaky");
	const ids = await many("flaky", "0");
	await someWait(page);
	await page.getByRole("button", {name: "Purge…"}).click();
	const dialog = page.getByRole("dialog", {name: "Purge flaky"});
	const purge = dialog.getByRole("button", {name: "Purge", exact: true});
	assert.equal(await purge.isDisabled(), true);
	const name = dialog.getByLabel(/Type the lane's name/);
	await name.fill("flak");
	assert.equal(await purge.isDisabled(), true);
	await name.fill("flaky");
	await purge.click();
	for (const id of ids)
		assert.equal((await system.task(id)).state, "cancelled");
	await system.cli("lane", "resume", "flaky");
});

look("a lane that nobody serves says what is missing", "/#/lanes", async (page) => {
	await system.submit("echo", "x", {requires: "gpu"});
	await page.getByRole("row", {name: /echo--gpu/}).getByText("no node serves it").waitFor();
	await page.getByRole("link", {name: "echo--gpu"}).click();
	await page.getByText("has capability gpu").first().waitFor();
	await page.getByText("--capabilities gpu").first().waitFor();
	await system.cli("task", "cancel", "--lane", "echo--gpu", "--yes");
});

look("a lane's rates are those of what comes and ends", "/#/lanes/echo", async (page) => {
	const stat = (name) => page.locator(".stat", {has: page.getByText(name, {exact: true})}).locator(".value");
	await stat("Come").waitFor();
	await until(async () => {
		for (let i = 0; i < 5; i++)
			await system.submit("echo", "fast");
		return /[1-9]/.test(await stat("Come").textContent()) && /[1-9]/.test(await stat("End").textContent());
	}, "rates");
	assert.match(await stat("Come").textContent(), /^[\d.,]+ \/s$/);
});
