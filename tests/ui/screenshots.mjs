// docs/screenshots/*.png anew: a system with something to show, six pages in both themes.
import {mkdir, stat} from "node:fs/promises";
import {join} from "node:path";

import {closeBrowser, openPage} from "./lib/browser.mjs";
import {ROOT, System} from "./lib/system.mjs";

const OUT = join(ROOT, "docs/screenshots");
const MOST_BYTES = 300 * 1024;
const LOAD_FIRST_MS = 75000; // charts want a minute

const batch = (system, lines) =>
	system.cli("submit", "--batch", "-", {input: lines.map((line) => JSON.stringify(line)).join("\n")});
const many = (n, make) => Array.from({length: n}, (_, i) => make(i));

/** What the pages are to show: lanes in all states, dead letters of three failures, a task with attempts, agents. */
async function fill(system) {
	await batch(system, [
		...many(14, (i) => ({type: "fail", payload: `the cart ${i + 100} is empty`, attempts: 1})),
		...many(5, (i) => ({type: "fail", payload: `upstream took ${i + 3}0 s and said nothing`, attempts: 1})),
		...many(3, () => ({type: "stats", payload: "no numbers here", attempts: 1})),
		...many(8, (i) => ({type: "hash", payload: `image ${i}`})),
	]);
	await system.submit("flaky", "2", {task_id: "order-42", priority: "high"});
	await system.cli("lane", "limit", "echo", "--rate", "400");
	for (const role of ["architect", "coder", "critic"])
		await system.cli("pool", "spawn", "--role", role, "--project", "shop");
	await system.task("order-42");
}

/** A lane that is paused, and one that nobody serves: told above every page, so only for the picture of lanes. */
async function trouble(system) {
	await system.cli("lane", "pause", "hash", "--reason", "a new model is rolled out", "--for", "30m");
	await batch(system, [
		...many(60, (i) => ({type: "hash", payload: `image ${i}`, priority: ["high", "normal", "normal", "low"][i % 4]})),
		...many(9, (i) => ({type: "summarize", payload: `page ${i}`, requires: "gpu"})),
	]);
}

/** Waves of work, so that the charts move, until over.yes. */
async function load(system, over) {
	for (let turn = 0; !over.yes; turn++) {
		const n = 30 + Math.round(25 * Math.sin(turn / 4));
		await batch(system, [
			...many(n, (i) => ({type: "echo", payload: `job ${turn}-${i}`})),
			...many(Math.round(n / 5), () => ({type: "sleep", payload: "900ms"})),
		]);
		await pause(1000);
	}
}

const PAGES = [
	["overview", "/#/"], ["task", "/#/tasks/order-42"], ["nodes", "/#/nodes"], ["dead", "/#/dead"],
	["health", "/#/health"], ["lanes", "/#/lanes"],
];
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

async function picture(system, name, path, theme) {
	const page = await openPage(system.url + path, {theme, width: 1440, height: 900});
	await page.locator("main h1").waitFor();
	await page.locator("main .spinner").first().waitFor({state: "detached"});
	await page.getByText("Live", {exact: true}).waitFor();
	await pause(2500); // rates, and lines that are drawn
	const file = join(OUT, `${name}-${theme}.png`);
	await page.screenshot({path: file});
	await page.context().close();
	const {size} = await stat(file);
	console.log(`${file} ${Math.round(size / 1024)} KiB`);
	if (size > MOST_BYTES)
		throw new Error(`${file} is larger than ${MOST_BYTES / 1024} KiB`);
}

// Programs with sanitizers and a browser fill a small machine, which is not what the pictures are about.
process.env.MILLRACE_HEAL_CPU = "100";
const system = await System.start("--nodes", 2, "--scaler-config", join(ROOT, "examples/agents/scaler.yaml"));
const over = {yes: false};
try {
	await mkdir(OUT, {recursive: true});
	// Nothing is sampled while nobody looks.
	await openPage(`${system.url}/#/`);
	await fill(system);
	const working = load(system, over);
	await pause(LOAD_FIRST_MS);
	for (const [name, path] of PAGES) {
		if (name === "lanes")
			await trouble(system);
		for (const theme of ["light", "dark"])
			await picture(system, name, path, theme);
	}
	over.yes = true;
	await working;
} finally {
	over.yes = true;
	await closeBrowser();
	await system.stop();
}
