// Everything by the keyboard alone.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const focused = (page) => page.evaluate(() => {
	const e = document.activeElement;
	return e?.getAttribute("aria-label") || e?.labels?.[0]?.textContent || e?.textContent || "";
});

/** Tab until what has the focus is named so. */
async function tabTo(page, name, most = 80) {
	for (let i = 0; i < most; i++) {
		await page.keyboard.press("Tab");
		if (name.test(await focused(page)))
			return;
	}
	assert.fail(`${name} is not reached by ${most} tabs; now at ${await focused(page)}`);
}

look("a lane is paused and resumed without a mouse", "/#/", async (page) => {
	await system.cli("lane", "resume", "hash");
	await system.task(await system.submit("hash", "warm"));
	await page.locator("main h1").waitFor();
	await page.keyboard.press("g");
	await page.keyboard.press("l");
	await page.getByRole("heading", {name: "Lanes", level: 1}).waitFor();
	await page.getByRole("link", {name: "hash", exact: true}).waitFor();
	await tabTo(page, /^hash$/);
	await page.keyboard.press("Enter");
	await page.getByRole("button", {name: "Pause…"}).waitFor();
	await tabTo(page, /^Pause…$/);
	await page.keyboard.press("Enter");
	const dialog = page.getByRole("dialog", {name: "Pause hash"});
	await dialog.waitFor();
	// The focus is inside, and stays there.
	for (let i = 0; i < 12; i++) {
		await page.keyboard.press("Tab");
		assert.ok(await page.evaluate(() => !document.activeElement || document.activeElement === document.body ||
			document.querySelector("dialog[open]").contains(document.activeElement)));
	}
	await page.keyboard.press("Escape");
	await dialog.waitFor({state: "detached"});
	assert.match(await focused(page), /^Pause…$/, "the focus is not given back");
	await page.keyboard.press("Enter");
	await dialog.waitFor();
	await tabTo(page, /^Reason/, 12);
	await page.keyboard.type("by keyboard");
	await page.keyboard.press("Enter"); // sends the form
	await page.getByText("by keyboard").waitFor();
	await tabTo(page, /^Resume$/);
	await page.keyboard.press("Enter");
	await until(async () => !(await system.api("GET", "/api/v1/lanes/hash")).json.paused, "resumed");
});

look("the keys are told, and take nothing from who types", "/#/lanes", async (page) => {
	await page.locator("main h1").waitFor();
	await page.keyboard.press("?");
	await page.getByRole("dialog", {name: "Keyboard"}).waitFor();
	await page.keyboard.press("Escape");
	await page.getByRole("dialog").waitFor({state: "detached"});
	await page.keyboard.press("/");
	await page.keyboard.type("gn?");
	assert.equal(await page.locator("main [data-search]").inputValue(), "gn?");
	assert.match(page.url(), /#\/lanes$/);
});

look("the first link of a page leads to its content", "/#/nodes", async (page) => {
	await page.locator("main h1").waitFor();
	await page.evaluate(() => document.querySelector("a, button, input, select, textarea").focus());
	assert.match(await focused(page), /To the content/);
	await page.keyboard.press("Enter");
	assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
});
