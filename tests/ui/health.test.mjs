// Health and healing, also under /cluster; the audit.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

look("every check has a word beside its colour", "/#/health", async (page) => {
	const rows = page.getByRole("region", {name: "Health checks"}).locator("tbody tr");
	await rows.first().waitFor({timeout: 60000});
	const {checks} = (await system.api("GET", "/api/v1/heal")).json;
	assert.ok(checks.length >= 4, JSON.stringify(checks));
	await until(async () => (await rows.count()) >= checks.length, "a row a check");
	for (const text of await rows.allTextContents())
		assert.match(text, /ok|warning|critical/);
	await page.locator(".stat", {hasText: "Broker"}).getByText("well").waitFor();
	await page.locator(".permissions").getByText("restart_node").waitFor();
});

look("healing is a button, and tells what was done", "/#/health", async (page) => {
	await page.getByRole("button", {name: "Heal", exact: true}).click();
	await page.getByRole("dialog").getByRole("button", {name: "Heal now"}).click();
	const result = page.getByRole("dialog", {name: "What was done"});
	await result.getByRole("status").waitFor({timeout: 60000});
	assert.match(await result.getByRole("status").textContent(), /All is well|act/);
	await result.getByRole("button", {name: "Close"}).last().click();
	await result.waitFor({state: "detached"});
});

look("live agents are under /cluster too, and move by themselves", "/cluster", async (page) => {
	const agent = (await system.api("POST", "/api/v1/agents/spawn", {role_type: "critic", project_id: "ui"})).json;
	const row = page.getByRole("region", {name: "Live agents"}).getByRole("row", {name: new RegExp(agent.agent_id)});
	await row.getByText("idle", {exact: true}).waitFor({timeout: 60000});
	const asked = [];
	page.on("request", (request) => request.url().endsWith("/api/v1/agents") && asked.push(Date.now()));
	await until(() => asked.length >= 3, "asked again and again", 20000);
	assert.ok(asked[2] - asked[0] < 8000, "less often than every 4 s, on a busy machine");
	const uptime = () => row.locator("td").nth(5).textContent();
	const before = await uptime();
	await until(async () => (await uptime()) !== before, "its uptime moves");
	await system.api("DELETE", `/api/v1/agents/${agent.agent_id}`);
	await row.waitFor({state: "detached", timeout: 60000});
}, {timeout: 180000});

look("the books balance, and a pass is made when asked for", "/#/audit", async (page) => {
	const {pass} = (await system.api("GET", "/api/v1/audit")).json;
	await page.getByRole("button", {name: "Run a pass"}).click();
	await page.locator(".toast", {hasText: "nothing is missing"}).waitFor({timeout: 60000});
	assert.ok((await system.api("GET", "/api/v1/audit")).json.pass > (pass ?? 0));
	await page.getByText("no drift").waitFor();
	await page.locator(".equation").getByText("accepted").waitFor();
	await page.getByRole("row", {name: /echo/}).first().getByText("balanced").waitFor();
});
