// What is wrong with the system, in words, and what to do; gone by itself once it is right again.
import { useEffect, useState } from "preact/hooks";
import { connection, health, reconnectLive } from "../live";
import { plural } from "../format";
import { place } from "../location";
import { Button } from "./button";
import { now } from "./time";

const PATIENCE_MS = 2000; // a reconnect that works at once is nobody's business

function Offline() {
	const { state, why, retryAt } = connection.value;
	const [late, setLate] = useState(false);
	const away = state === "lost" || state === "connecting";
	useEffect(() => {
		setLate(false);
		if (!away)
			return;
		const timer = setTimeout(() => setLate(true), PATIENCE_MS);
		return () => clearTimeout(timer);
	}, [away]);
	if (!late || !away)
		return null;
	const left = Math.ceil((retryAt - now.value) / 1000);
	return (
		<div class="banner bad" role="alert">
			<div>
				<p><strong>No news from the gateway.</strong> {why} What you see is as it was last known.</p>
				<p>{retryAt && left > 0 ? `Next try in ${left} s.` : "Trying…"} Is <code>millrace-gateway</code> running?</p>
			</div>
			<Button icon="retry" onClick={reconnectLive}>Try now</Button>
		</div>
	);
}

/** All of it where people look for it or where it is critical; else in a line. */
export function Banner() {
	const problems = health.value?.problems ?? [];
	const { path } = place.value;
	const critical = problems.some((p) => p.level === "critical");
	if (problems.length === 0)
		return <Offline />;
	const names = `banner ${critical ? "bad" : "warn"}`;
	const title = plural(problems.length, "problem");
	if (!critical && path !== "/" && path !== "/health")
		return (
			<>
				<Offline />
				<p class={`${names} line`} role="status">
					<span><a href="#/health">{title}</a>: {problems[0]!.what}{problems.length > 1 && ", …"}</span>
				</p>
			</>
		);
	return (
		<>
			<Offline />
			<section class={names} role={critical ? "alert" : "status"} aria-label={title}>
				<ul>
					{problems.map((p) => (
						<li key={p.what}>
							<strong>{p.what}</strong>
							{p.remedy && <span class="remedy">{p.remedy}</span>}
						</li>
					))}
				</ul>
			</section>
		</>
	);
}
