// Every page in both themes before axe, and at a phone's width.
import assert from "node:assert/strict";

import {overflow, violations} from "./lib/browser.mjs";
import {look, system} from "./lib/shared.mjs";

export const PAGES = [
	"/#/", "/#/tasks", "/#/tasks/ui-looked-at", "/#/lanes", "/#/lanes/echo", "/#/nodes", "/#/nodes/node-1", "/#/dead",
	"/#/dead/ui-dead", "/#/schedules", "/#/health", "/#/audit", "/#/tail", "/#/submit", "/#/nowhere",
];

async function prepare() {
	await system.submit("echo", "to be looked at", {task_id: "ui-looked-at"});
	await system.submit("fail", "to be looked at", {task_id: "ui-dead", attempts: 1});
	await system.task("ui-looked-at");
	await system.task("ui-dead");
	await system.cli("schedule", "add", "ui-looks", "--cron", "@hourly", "echo", "--replace");
}

/** The page's own heading, and nothing that still waits. */
async function settled(page) {
	await page.locator("main h1").waitFor();
	await page.locator("main .spinner").first().waitFor({state: "detached"});
}

look("what the pages are to show is there", "/#/", () => prepare());

for (const path of PAGES) {
	for (const theme of ["light", "dark"]) {
		look(`axe has nothing to say: ${path} ${theme}`, path, async (page) => {
			await settled(page);
			assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
			assert.deepEqual(await violations(page), []);
		}, {theme});
	}
	look(`no sideways scroll on a phone: ${path}`, path, async (page) => {
		await settled(page);
		assert.deepEqual(await overflow(page), []);
		await page.getByRole("button", {name: "Menu"}).click();
		await page.getByRole("navigation", {name: "Pages"}).getByRole("link", {name: "Lanes"}).waitFor();
		assert.deepEqual(await violations(page), []);
	}, {width: 390, height: 844, hasTouch: true, isMobile: true});
}

for (const [button, path] of [["Pause…", "/#/lanes/echo"], ["Limits…", "/#/lanes/echo"], ["New schedule…", "/#/schedules"], ["Spawn…", "/#/nodes"]]) {
	look(`axe has nothing to say: the dialog ${button}`, path, async (page) => {
		await page.getByRole("button", {name: button}).first().click();
		await page.getByRole("dialog").waitFor();
		assert.deepEqual(await violations(page), []);
		assert.deepEqual(await overflow(page), []);
	}, {width: 390, height: 844, theme: "dark"});
}

look("the colours that are chosen are kept", "/#/lanes", async (page) => {
	const button = page.getByRole("button", {name: /Colours/});
	await button.click(); // light
	await button.click(); // dark
	const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
	assert.equal(await theme(), "dark");
	await page.reload();
	assert.equal(await theme(), "dark");
});

look("no script, style or request of others is allowed", "/#/", async (page) => {
	const policy = (await page.request.get(`${system.url}/`)).headers()["content-security-policy"] ?? "";
	assert.match(policy, /default-src 'self'|default-src 'none'/);
	assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|https?:|\*/);
});
