// Nodes, pools, agents.
import assert from "node:assert/strict";

import {look, system} from "./lib/shared.mjs";
import {until} from "./lib/wait.mjs";

const node = async (name) => (await system.api("GET", `/api/v1/nodes/${name}`)).json;
const pool = async (name) => (await system.api("GET", `/api/v1/pools/${name}`)).json;

look("a node is drained, and takes tasks again", "/#/nodes", async (page) => {
	const row = page.getByRole("row", {name: /node-1/});
	await row.getByRole("button", {name: "Drain node-1"}).click();
	await row.getByText("draining", {exact: true}).waitFor();
	assert.equal((await node("node-1")).state, "draining");
	await page.getByRole("link", {name: /node-1, draining/}).waitFor();
	await row.getByRole("button", {name: "Undrain node-1"}).click();
	await row.getByText("ready", {exact: true}).waitFor();
	assert.equal((await node("node-1")).state, "ready");
});

look("the grid tells how full each node is, by slots, CPU or memory", "/#/nodes", async (page) => {
	const id = await system.submit("sleep", "60s");
	await system.task(id, (t) => t.state === "running");
	await page.getByRole("link", {name: /ready, 1 of \d+ slots/}).first().waitFor();
	const shade = page.getByRole("group", {name: "Shade by"});
	await shade.getByRole("button", {name: "CPU"}).click();
	await page.getByRole("link", {name: /node-1, ready, \d+ % CPU/}).waitFor();
	await shade.getByRole("button", {name: "Memory"}).click();
	await page.getByRole("link", {name: /node-1, ready, \d+ % memory/}).waitFor();
	await system.cli("task", "cancel", id);
});

look("a node's page tells its lanes and its process", "/#/nodes/node-2", async (page) => {
	await system.task(await system.submit("echo", "x"));
	const {pid} = await node("node-2");
	await page.locator("main").getByText(String(pid), {exact: true}).waitFor();
	await page.locator("main").getByRole("link", {name: "echo", exact: true}).waitFor();
});

look("a pool is scaled by hand, and given back to the scaler", "/#/nodes", async (page) => {
	await page.getByRole("button", {name: "Scale default"}).click();
	const dialog = page.getByRole("dialog", {name: "Scale default"});
	await dialog.getByLabel("Nodes", {exact: true}).fill("3");
	await dialog.getByRole("button", {name: "Scale", exact: true}).click();
	await page.getByText("by hand: 3").waitFor();
	await until(async () => (await pool("default")).process_count === 3, "three nodes", 60000);
	await page.getByRole("button", {name: "default: automatic"}).click();
	await page.getByText("by hand: 3").waitFor({state: "detached"});
	assert.ok(!(await pool("default")).scaled);
});

look("an agent is spawned, seen alive with its process, and ended", "/#/nodes", async (page) => {
	await page.getByRole("button", {name: "Spawn…"}).click();
	const dialog = page.getByRole("dialog", {name: "Spawn an agent"});
	await dialog.getByLabel("Role").fill("executor");
	await dialog.getByLabel("Project").fill("ui");
	await dialog.getByRole("button", {name: "Spawn", exact: true}).click();
	await dialog.waitFor({state: "detached"});
	const row = page.getByRole("region", {name: "Live agents"}).getByRole("row", {name: /executor-/});
	await row.getByText("idle", {exact: true}).waitFor({timeout: 60000});
	const id = await row.locator("td").first().textContent();
	const agent = (await system.api("GET", `/api/v1/agents/${id}`)).json;
	assert.equal(agent.project_id, "ui");
	await row.getByText(String(agent.status.pid), {exact: true}).waitFor();
	await row.getByRole("button", {name: `Terminate ${id}`}).click();
	await page.getByRole("dialog").getByRole("button", {name: "Terminate", exact: true}).click();
	await row.waitFor({state: "detached", timeout: 60000});
}, {timeout: 180000});
