// Dead letters: by failure, one by one; replayed, edited, tried as a canary, discarded.
import assert from "node:assert/strict";
import {writeFile} from "node:fs/promises";
import {join} from "node:path";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const letters = async () => (await system.api("GET", "/api/v1/dead")).json.letters ?? [];

async function kill(type, payload, n = 1) {
	const ids = [];
	for (let i = 0; i < n; i++)
		ids.push(await system.submit(type, payload, {attempts: 1}));
	for (const id of ids)
		assert.equal((await system.task(id)).state, "dead");
	await until(async () => {
		const there = (await letters()).map((l) => l.id);
		return ids.every((id) => there.includes(id));
	}, "dead letters");
	return ids;
}

look("a task that dies is a letter, and is replayed", "/#/dead", async (page) => {
	const [id] = await kill("fail", "the cart is empty");
	const group = page.getByRole("row", {name: /the cart is empty/});
	await group.getByRole("link").first().click();
	await page.getByRole("link", {name: id}).click();
	const main = page.locator("main");
	await main.getByRole("heading", {name: /Dead letter/}).waitFor();
	await main.getByText("Task-Attempts").waitFor();
	await main.getByRole("region", {name: "The body"}).getByText("the cart is empty").waitFor();
	await main.getByRole("button", {name: "Replay", exact: true}).click();
	await main.getByRole("heading", {name: new RegExp(`${id}\\.r1`)}).waitFor();
	const again = await system.task(`${id}.r1`);
	assert.equal(again.retry_of, id);
	assert.equal(again.state, "dead"); // it fails always
	assert.ok(!(await letters()).some((l) => l.id === id), "its letter is still there");
});

look("a canary stops after one where the failure is back", "/#/dead", async (page) => {
	const ids = await kill("fail", "the disk of the warehouse is full", 12);
	const group = page.getByRole("row", {name: /warehouse/});
	await group.getByRole("button", {name: /^Canary/}).click();
	const canary = page.locator(".canary");
	await canary.getByText("the failure is back").waitFor();
	await canary.getByText("It stopped by itself.").waitFor();
	assert.equal(await canary.getByText("not begun").count(), 2);
	const left = (await letters()).map((l) => l.id).filter((id) => ids.includes(id));
	assert.equal(left.length, 11, "more than one was replayed");
	await canary.getByRole("button", {name: "Put away"}).click();
	await canary.waitFor({state: "detached"});
});

look("a canary goes through all stages where the failure is cured", "/#/dead", async (page) => {
	// A handler that fails until a file is there, on a node of our own.
	const cure = join(system.dir, "cured"), handlers = join(system.dir, "cure.yaml");
	const script = `cat >/dev/null; test -e ${cure} || { echo "the shelf is missing" >&2; exit 1; }`;
	await writeFile(handlers, `handlers:\n  - type: cure\n    kind: exec\n    command: [sh, -c, '${script}']\n`);
	system.spawn("millrace-node", ["cure-1", "--handlers", handlers]);
	await system.cli("node", "wait", "cure-1");
	const ids = await kill("cure", "x", 12);
	await writeFile(cure, "");
	const group = page.getByRole("row", {name: /the shelf is missing/});
	await group.getByRole("button", {name: /^Canary/}).click();
	const canary = page.locator(".canary");
	// It goes on while another page is looked at.
	await page.getByRole("link", {name: "Audit"}).click();
	await page.getByRole("link", {name: /^Dead letters/}).click();
	await canary.getByText("All were replayed, and completed well enough.").waitFor({timeout: 90000});
	assert.equal(await canary.getByText("went well").count(), 3);
	for (const id of ids)
		assert.equal((await system.task(`${id}.r1`)).state, "completed");
}, {timeout: 180000});

look("a letter is edited, and its task completes", "/#/dead", async (page) => {
	const [id] = await kill("stats", "no numbers here");
	await page.goto(`${system.url}/#/dead/${id}`);
	await page.getByRole("button", {name: "Edit and replay…"}).click();
	const body = page.getByLabel("Body", {exact: true});
	await until(async () => (await body.inputValue()) === "no numbers here", "the letter's body");
	await body.fill("a\n1\n2\n3");
	await page.getByRole("button", {name: "Submit", exact: true}).click();
	const outcome = page.getByRole("region", {name: "What was submitted here"});
	await outcome.getByText("completed", {exact: true}).first().waitFor();
	const done = await outcome.locator("a.mono").first().textContent();
	assert.equal((await system.task(done)).headers["Edited-From"], id);
	await outcome.getByRole("button", {name: "Discard it"}).click();
	await page.getByRole("dialog").getByRole("button", {name: /^Discard/}).click();
	await outcome.getByText("The dead letter is discarded.").waitFor();
	assert.ok(!(await letters()).some((l) => l.id === id));
});

look("a failure's letters are discarded by who says so", "/#/dead", async (page) => {
	const ids = await kill("fail", "nobody needs this one", 3);
	const group = page.getByRole("row", {name: /nobody needs this one/});
	await group.getByRole("button", {name: /^Discard/}).click();
	const dialog = page.getByRole("dialog");
	await dialog.getByRole("button", {name: "No, leave it"}).click();
	assert.equal((await letters()).filter((l) => ids.includes(l.id)).length, 3);
	await group.getByRole("button", {name: /^Discard/}).click();
	await dialog.getByRole("button", {name: "Discard 3 letters"}).click();
	await group.waitFor({state: "detached"});
	assert.equal((await letters()).filter((l) => ids.includes(l.id)).length, 0);
});
