// Broker, database or gateway away: the page says so in words, and goes on by itself.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const quiet = {tolerate: /Failed to load resource|ERR_/, timeout: 240000};

async function away(page, component, words) {
	await page.evaluate(() => { globalThis.same = true; });
	await system.hold(component);
	await page.locator(".banner", {hasText: words}).first().waitFor({timeout: 60000});
	await system.release(component);
	await page.locator(".banner", {hasText: words}).first().waitFor({state: "detached", timeout: 90000});
	assert.equal(await page.evaluate(() => globalThis.same), true, "the page was loaded anew");
}

look("the database is away: it is said, and lanes still move", "/#/lanes", async (page) => {
	await page.getByRole("link", {name: "echo", exact: true}).waitFor();
	await away(page, "postgresql", /database|PostgreSQL/i);
}, quiet);

look("the broker is away: it is said, and all goes on by itself", "/#/submit", async (page) => {
	await away(page, "broker", /broker/i);
	await page.getByLabel("Type", {exact: true}).fill("echo");
	await page.getByLabel("Body", {exact: true}).fill("after all");
	await page.getByRole("button", {name: "Submit", exact: true}).click();
	const outcome = page.getByRole("region", {name: "What was submitted here"});
	await outcome.getByText("completed", {exact: true}).first().waitFor({timeout: 60000});
}, quiet);

look("the gateway is away: the page waits for it", "/#/nodes", async (page) => {
	await page.getByRole("link", {name: /^node-1/}).first().waitFor();
	await system.hold("gateway");
	await page.locator(".banner", {hasText: "No news from the gateway."}).waitFor({timeout: 60000});
	// What was known is still on show.
	await page.getByRole("link", {name: /^node-1/}).first().waitFor();
	await system.release("gateway");
	await page.locator(".banner", {hasText: "No news from the gateway."}).waitFor({state: "detached", timeout: 60000});
	await until(async () => page.getByText("Live", {exact: true}).isVisible(), "live again");
}, quiet);
