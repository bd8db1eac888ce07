// What `node --test-reporter` prints: a line a test, the error of each that failed, and the counts as the last line.
const MARK = {pass: "ok  ", fail: "FAIL", skip: "skip"};

function reason(error) {
	const cause = error?.cause ?? error;
	return String(cause?.stack ?? cause).replace(/^/gm, "      ");
}

export default async function* report(events) {
	const count = {pass: 0, fail: 0, skip: 0};
	for await (const {type, data} of events) {
		if (type !== "test:pass" && type !== "test:fail")
			continue;
		if (data.details?.type === "suite" && type === "test:pass")
			continue;
		const how = data.skip !== undefined && data.skip !== false ? "skip" : type.slice(5);
		count[how]++;
		const why = typeof data.skip === "string" && data.skip ? ` (${data.skip})` : "";
		yield `${MARK[how]} ${data.name}${why} ${Math.round(data.details?.duration_ms ?? 0)} ms\n`;
		if (how === "fail")
			yield `${reason(data.details?.error)}\n`;
	}
	yield `${count.pass} passed, ${count.fail} failed${count.skip ? `, ${count.skip} skipped` : ""}\n`;
}
