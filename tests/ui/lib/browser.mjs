// Chromium for the tests, and what is held on every page whatever it is about: no request leaves the gateway's origin,
// nothing is thrown, the console says no error, the content security policy is not broken.
import {mkdir} from "node:fs/promises";
import {join} from "node:path";

import axe from "axe-core";
import {chromium} from "playwright-core";

let browser;

async function launch() {
	browser ??= await chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		headless: !process.env.UI_HEADED,
		args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none"],
	});
	return browser;
}

export async function closeBrowser() {
	await browser?.close();
	browser = undefined;
}

/** A window of its own. complaints collects what must not be; tolerate: console words that the test provokes. */
export async function openPage(url, {theme = "light", width = 1440, height = 900, tolerate, ...more} = {}) {
	const context = await (await launch()).newContext({
		colorScheme: theme,
		viewport: {width, height},
		reducedMotion: "reduce",
		locale: "en-GB",
		timezoneId: "UTC",
		...more,
	});
	const page = await context.newPage();
	page.setDefaultTimeout(20000);
	page.complaints = [];
	const origin = new URL(url).origin;
	context.on("request", (request) => {
		const to = request.url();
		if (!/^(data|blob|about):/.test(to) && new URL(to).origin !== origin)
			page.complaints.push(`a request to ${to}`);
	});
	page.on("pageerror", (error) => page.complaints.push(`thrown: ${error.stack ?? error}`));
	page.on("console", (message) => {
		// A task that is asked for before the store has it is no fault.
		const early = /status of 404/.test(message.text()) && /\/api\/v1\/tasks\/[^/]+$/.test(message.location().url);
		if (message.type() === "error" && !early && !tolerate?.test(message.text()))
			page.complaints.push(`console: ${message.text()} (${message.location().url})`);
	});
	await page.goto(url);
	return page;
}

/** Runs what with a page; afterwards nothing may have been complained of. Keeps a picture of a page that failed. */
export async function withPage(system, path, options, what) {
	const page = await openPage(system.url + path, options);
	try {
		await what(page);
		if (page.complaints.length)
			throw new Error(`on ${path}:\n${page.complaints.join("\n")}`);
	} catch (error) {
		const folder = join(system.dir, "failed");
		await mkdir(folder, {recursive: true});
		const picture = join(folder, `${path.replace(/\W+/g, "-") || "page"}-${Date.now()}.png`);
		await page.screenshot({path: picture, fullPage: true}).catch(() => {});
		system.failed = true;
		error.message += `\n(picture: ${picture})`;
		throw error;
	} finally {
		await page.context().close();
	}
}

/** What axe finds against WCAG 2.0 to 2.2, A and AA: a line an element. */
export async function violations(page) {
	await page.evaluate(axe.source); // by the debugger: the page's own policy allows no foreign script
	const found = await page.evaluate(() => globalThis.axe.run(document, {
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
		resultTypes: ["violations"],
	}));
	return found.violations.flatMap((v) =>
		v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary?.split("\n").slice(1).join(";")}`));
}

/** Whether the page is wider than its window, and by which elements. */
export async function overflow(page) {
	return page.evaluate(() => {
		const wide = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= wide)
			return [];
		return [...document.querySelectorAll("body *")]
			.filter((e) => e.getBoundingClientRect().right > wide + 1)
			.slice(0, 8)
			.map((e) => `${e.tagName.toLowerCase()}.${e.className} to ${Math.round(e.getBoundingClientRect().right)}`);
	});
}
