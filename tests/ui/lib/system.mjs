// A private Millrace for the tests, started by `millrace dev` in a fresh directory on free ports. The twin of
// tests/system/lib/system.py, for what a browser's tests need of it.
import {execFile, spawn} from "node:child_process";
import {mkdtemp, readdir, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";

import {until} from "./wait.mjs";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
export const BIN = process.env.MILLRACE_BIN ?? join(ROOT, "build/dev/bin");

// What must never stand in a log.
const BAD = /AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer|Assertion .* failed| level=error |^error /;

/** The environment without anything that leads to another broker or database. */
function cleanEnv(more = {}) {
	const env = Object.fromEntries(Object.entries(process.env)
		.filter(([name]) => !/^(NATS_|PG|DATABASE_URL|MILLRACE_(NATS|DATABASE|HTTP|GATEWAY)|NOTIFY_SOCKET)/.test(name)));
	return {...env, ...more};
}

/** {code, out, err} of a program; input goes to its stdin. */
export function run(program, words, {input, timeout_ms = 60000, env = cleanEnv()} = {}) {
	return new Promise((done) => {
		const child = execFile(program, words.map(String), {cwd: ROOT, env, timeout: timeout_ms, maxBuffer: 1 << 26},
			(error, out, err) => done({code: error ? error.code ?? -1 : 0, out, err}));
		child.stdin.on("error", () => {}); // one that does not read it
		child.stdin.end(input ?? "");
	});
}

export class System {
	constructor(dir) {
		this.dir = dir;
		this.children = [];
		this.allowed = [];
	}

	/** Starts one; words are for `millrace dev`. */
	static async start(...words) {
		const system = new System(await mkdtemp(join(process.env.MILLRACE_TEST_DIR ?? tmpdir(), "millrace-ui-")));
		const told = await run(join(BIN, "millrace"), ["dev", "--dir", system.dir, "--detach", ...words], {timeout_ms: 180000});
		if (told.code !== 0)
			throw new Error(`millrace dev: ${told.out}${told.err}`);
		const status = await system.status();
		system.url = status.http_url.replace(/\/$/, "");
		system.nats_url = status.nats_url;
		system.env = cleanEnv({NATS_URL: status.nats_url, DATABASE_URL: status.database_url});
		return system;
	}

	async dev(...words) {
		return run(join(BIN, "millrace"), ["dev", ...words, "--dir", this.dir], {timeout_ms: 240000});
	}

	async status() {
		const told = await this.dev("status", "--json");
		if (told.code !== 0)
			throw new Error(told.err);
		return JSON.parse(told.out);
	}

	async state(name) {
		return (await this.status()).components.find((c) => c.name === name)?.state;
	}

	/** Ends a component; it stays away until release(). */
	async hold(name) {
		const told = await this.dev("stop", name);
		if (told.code !== 0)
			throw new Error(told.err);
		await until(async () => (await this.state(name)) === "stopped", `${name} stopped`, 60000);
	}

	async release(name) {
		const told = await this.dev("start", name);
		if (told.code !== 0)
			throw new Error(told.err);
		await until(async () => (await this.state(name)) === "ready", `${name} ready`, 60000);
	}

	/** The operator's program; its words must do. Returns what it printed. */
	async cli(...words) {
		const more = typeof words.at(-1) === "object" ? words.pop() : {};
		const told = await run(join(BIN, "millrace"), words, {env: this.env, ...more});
		if (told.code !== 0 && !more.mayFail)
			throw new Error(`millrace ${words.join(" ")}: ${told.code}\n${told.out}${told.err}`);
		return told.out.trim();
	}

	/** What the gateway says; never thrown for a status. */
	async api(method, path, body, headers = {}) {
		const answer = await fetch(`${this.url}${path}`, {
			method,
			headers: {...(body === undefined ? {} : {"Content-Type": "application/json"}), ...headers},
			body: body === undefined ? undefined : JSON.stringify(body),
		});
		const text = await answer.text();
		return {status: answer.status, json: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text};
	}

	/** The task once look(task) is true; by default once it has ended. */
	async task(id, look = (t) => ["completed", "dead", "cancelled"].includes(t.state)) {
		return until(async () => {
			const {status, json} = await this.api("GET", `/api/v1/tasks/${encodeURIComponent(id)}`);
			return status === 200 && look(json) ? json : null;
		}, `task ${id}`);
	}

	/** Submits by HTTP and gives the id. */
	async submit(type, payload, more = {}) {
		const {status, json} = await this.api("POST", "/api/v1/tasks", {type, payload, ...more});
		if (status !== 202)
			throw new Error(`submit ${type}: ${status} ${JSON.stringify(json)}`);
		return json.id;
	}

	/** A process of the tests' own that knows the system, ended with it. */
	spawn(program, words, env = {}) {
		const child = spawn(join(BIN, program), words.map(String), {cwd: ROOT, env: {...this.env, ...env}, stdio: ["ignore", "ignore", "pipe"]});
		child.log = "";
		child.stderr.on("data", (data) => (child.log += data));
		this.children.push(child);
		return child;
	}

	/** Lines that a test provokes and that are no fault. */
	allow(pattern) {
		this.allowed.push(pattern);
	}

	async badLines() {
		const found = [];
		const look = (name, text) => {
			for (const line of text.split("\n")) {
				if (BAD.test(line) && !this.allowed.some((a) => a.test(line)))
					found.push(`${name}: ${line}`);
			}
		};
		for (const name of (await readdir(join(this.dir, "log"))).filter((n) => n.endsWith(".log") && !n.startsWith("postgres")))
			look(name, await readFile(join(this.dir, "log", name), "utf8"));
		this.children.forEach((child) => look(child.spawnfile, child.log));
		return found;
	}

	/** Ends everything; throws where the logs hold what they must not. Where no test failed the directory goes. */
	async stop() {
		for (const child of this.children.filter((c) => c.exitCode === null && c.signalCode === null)) {
			const ended = new Promise((done) => child.once("exit", done));
			child.kill("SIGTERM");
			await ended;
		}
		const told = await this.dev("stop");
		const bad = await this.badLines();
		if (told.code !== 0 || bad.length)
			throw new Error(`logs are kept in ${this.dir}\n${told.code ? told.err : ""}${bad.slice(0, 40).join("\n")}`);
		if (this.failed)
			console.error(`logs and pictures are kept in ${this.dir}`);
		else
			await rm(this.dir, {recursive: true, force: true});
	}
}
