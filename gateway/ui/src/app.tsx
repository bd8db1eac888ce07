// Which component a path is, inside the frame that all pages share.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { match, place } from "./location";
import { AuditPage } from "./pages/audit";
import { DeadPage } from "./pages/dead";
import { HealthPage } from "./pages/health";
import { LanesPage } from "./pages/lanes";
import { NodesPage } from "./pages/nodes";
import { OverviewPage } from "./pages/overview";
import { SchedulesPage } from "./pages/schedules";
import { SubmitPage } from "./pages/submit";
import { TailPage } from "./pages/tail";
import { TaskPage } from "./pages/task";
import { TasksPage } from "./pages/tasks";
import { Page } from "./ui/card";
import { ConfirmHost } from "./ui/dialog";
import { Help } from "./ui/help";
import { Layout } from "./ui/layout";
import { SignIn } from "./ui/signin";
import { Empty } from "./ui/states";
import { Toasts } from "./ui/toast";

type Params = Record<string, string>;
const routes: readonly [string, (p: Params) => ComponentChildren][] = [
	["/", () => <OverviewPage />],
	["/tasks", () => <TasksPage />],
	["/tasks/:id", (p) => <TaskPage id={p.id!} key={p.id} />],
	["/lanes", () => <LanesPage />],
	["/lanes/:name", (p) => <LanesPage name={p.name!} key={p.name} />],
	["/nodes", () => <NodesPage />],
	["/nodes/:name", (p) => <NodesPage name={p.name!} key={p.name} />],
	["/dead", () => <DeadPage />],
	["/dead/:id", (p) => <DeadPage id={p.id!} key={p.id} />],
	["/schedules", () => <SchedulesPage />],
	["/health", () => <HealthPage />],
	["/audit", () => <AuditPage />],
	["/tail", () => <TailPage />],
	["/submit", () => <SubmitPage key={place.value.query.toString()} />],
];

function Current() {
	const { path } = place.value;
	for (const [pattern, page] of routes) {
		const params = match(pattern, path);
		if (params)
			return <>{page(params)}</>;
	}
	return (
		<Page title="No such page">
			<Empty title={`Nothing is at ${path}`}><a href="#/">To the overview</a></Empty>
		</Page>
	);
}

export function App() {
	const { path } = place.value;
	useEffect(() => {
		const heading = document.querySelector<HTMLElement>("main h1");
		document.title = path === "/" ? "Millrace" : `${heading?.textContent ?? "Millrace"} · Millrace`;
		window.scrollTo(0, 0);
		// A screen reader begins to read where the new page begins.
		if (!document.activeElement || document.activeElement.tagName !== "INPUT")
			heading?.focus({ preventScroll: true });
	}, [path]);
	return (
		<>
			<Layout><Current /></Layout>
			<SignIn />
			<ConfirmHost />
			<Help />
			<Toasts />
		</>
	);
}
