// A gateway that wants tokens: who may read only looks.
import assert from "node:assert/strict";
import {test} from "node:test";
import {writeFile} from "node:fs/promises";
import {createServer} from "node:net";
import {join} from "node:path";

import {withPage} from "./lib/browser.mjs";
import {system} from "./lib/shared.mjs";
import {BIN, run} from "./lib/system.mjs";
import {until} from "./lib/wait.mjs";

const freePort = () => new Promise((done) => {
	const server = createServer().listen(0, "127.0.0.1", () => {
		const {port} = server.address();
		server.close(() => done(port));
	});
});

/** A second gateway of the system: {url, tokens: {read, operate}}. */
async function withTokens() {
	const tokens = {}, lines = [];
	for (const scope of ["read", "operate"]) {
		const told = await run(join(BIN, "millrace-gateway"), ["--new-token", `ui-${scope}`, "--scope", scope]);
		assert.equal(told.code, 0, told.err);
		lines.push(told.out.trim());
		tokens[scope] = told.err.trim().split(/\s+/).at(-1);
	}
	const file = join(system.dir, "tokens"), port = await freePort();
	await writeFile(file, `${lines.join("\n")}\n`, {mode: 0o600});
	system.spawn("millrace-gateway", ["--http-listen", `127.0.0.1:${port}`, "--http-tokens-file", file]);
	const url = `http://127.0.0.1:${port}`;
	await until(async () => (await fetch(`${url}/livez`)).ok, "the gateway with tokens");
	return {url, tokens};
}

async function signIn(page, token) {
	const dialog = page.getByRole("dialog", {name: "Token"});
	await dialog.getByLabel("Token", {exact: true}).fill(token);
	await dialog.getByRole("button", {name: "Go on"}).click();
	return dialog;
}

test("a token that may read looks, and can't act", {timeout: 180000}, async () => {
	const {url, tokens} = await withTokens();
	await system.task(await system.submit("hash", "warm"));
	await withPage({url, dir: system.dir}, "/#/lanes", {tolerate: /status of 401|status of 403/}, async (page) => {
		// A wrong one is told; then one that reads.
		let dialog = await signIn(page, "not-a-token");
		await dialog.getByText(/does not know this token/).waitFor();
		dialog = await signIn(page, tokens.read);
		await dialog.waitFor({state: "detached"});
		await page.getByText("read only").waitFor();
		await page.getByRole("link", {name: "hash", exact: true}).waitFor();
		const pause = page.getByRole("button", {name: "Pause hash"});
		assert.equal(await pause.isDisabled(), true);
		assert.match(await pause.getAttribute("title"), /operate/);
		for (const path of ["nodes", "dead", "schedules", "health", "audit", "submit"]) {
			await page.goto(`${url}/#/${path}`);
			await page.locator("main h1").waitFor();
			await page.locator("main .spinner").first().waitFor({state: "detached"});
			const acts = page.locator("main").getByRole("button", {name: /^(Drain|Stop|Scale|Spawn|Replay|Discard|New schedule|Heal|Run a pass|Repair|Submit)/});
			for (const act of await acts.all())
				assert.equal(await act.isDisabled(), true, `${path}: ${await act.textContent()}`);
		}
		// Nor does the gateway let it, whatever a page allows.
		const answer = await fetch(`${url}/api/v1/lanes/hash/pause`, {method: "POST", headers: {Authorization: `Bearer ${tokens.read}`, "Content-Type": "application/json"}, body: "{}"});
		assert.equal(answer.status, 403);
		// The same page with one that operates.
		await page.goto(`${url}/#/lanes`);
		await page.getByRole("button", {name: "Another token"}).click();
		await (await signIn(page, tokens.operate)).waitFor({state: "detached"});
		await until(async () => !(await page.getByRole("button", {name: "Pause hash"}).isDisabled()), "it may act");
	});
});
