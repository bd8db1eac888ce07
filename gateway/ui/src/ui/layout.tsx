// The frame of every page: navigation, search, the connection, what is wrong with the system.
import { computed, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { count } from "../format";
import { connection, health, overview } from "../live";
import { go, place, taskHref } from "../location";
import { pages } from "../pages";
import { me, readOnly, signIn, signOut } from "../session";
import { Banner } from "./banner";
import { Button } from "./button";
import { Icon, Mark } from "./icons";
import { helpOpen } from "./keys";
import { nextTheme, theme } from "./theme";
import { Badge } from "./badge";

const menuOpen = signal(false);
const dead = computed(() => overview.value.depths?.dead ?? 0);
const problems = computed(() => health.value?.problems?.length ?? 0);

function Nav() {
	const { path } = place.value;
	const here = (to: string) => (to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`));
	const mark = (to: string) =>
		to === "/dead" && dead.value ? <span class="count">{count(dead.value)}</span>
			: to === "/health" && problems.value ? <span class="count bad">{problems.value}</span> : null;
	return (
		<nav id="nav" class={menuOpen.value ? "open" : ""} aria-label="Pages">
			<ul>
				{pages.map((p) => (
					<li key={p.path}>
						<a href={`#${p.path}`} aria-current={here(p.path) ? "page" : undefined}>
							<Icon name={p.icon} /><span>{p.title}</span>{mark(p.path)}
						</a>
					</li>
				))}
			</ul>
			<div class="nav-foot">
				<a href="docs">API</a>
				<a href="metrics">Metrics</a>
				{me.value?.version && <span class="mute">{me.value.version}</span>}
			</div>
		</nav>
	);
}

function Find() {
	const [id, setId] = useState("");
	return (
		<form class="find" role="search" onSubmit={(e) => {
			e.preventDefault();
			if (id.trim())
				go(taskHref(id.trim()));
			setId("");
		}}>
			<Icon name="search" />
			<input type="search" value={id} placeholder="Task id" aria-label="Find a task by its id" data-search=""
				autoComplete="off" spellcheck={false} onInput={(e) => setId(e.currentTarget.value)} />
			<kbd aria-hidden="true">/</kbd>
		</form>
	);
}

const WORDS = { connecting: "Connecting", live: "Live", lost: "Reconnecting", denied: "No access" } as const;

function Live() {
	const { state, why } = connection.value;
	return (
		<span class={`live ${state}`} role="status" title={why || "Numbers move by themselves"}>
			<span class="dot" aria-hidden="true" /><span class="word">{WORDS[state]}</span>
		</span>
	);
}

export function Layout({ children }: { children: ComponentChildren }) {
	const { path } = place.value;
	useEffect(() => { menuOpen.value = false; }, [path]);
	const icon = theme.value === "auto" ? "auto" : theme.value === "light" ? "sun" : "moon";
	return (
		<>
			<a class="skip" href="#main" onClick={(e) => {
				e.preventDefault();
				document.querySelector<HTMLElement>("main h1")?.focus();
			}}>To the content</a>
			<header class="top">
				<button type="button" class="button quiet only-icon menu" aria-expanded={menuOpen.value}
					aria-controls="nav" aria-label="Menu" onClick={() => { menuOpen.value = !menuOpen.value; }}>
					<Icon name="menu" />
				</button>
				<a class="brand" href="#/" aria-label="Millrace: overview"><Mark /><span>Millrace</span></a>
				<Find />
				<div class="top-right">
					{readOnly() && <Badge tone="mute">read only</Badge>}
					<Live />
					<Button icon={icon} kind="quiet" label={`Colours: ${theme.value}. Change`} onClick={nextTheme} />
					<Button icon="help" kind="quiet" label="Keyboard" onClick={() => { helpOpen.value = true; }} />
					{me.value?.tokens && (
						<Button icon="key" kind="quiet" label="Another token"
							onClick={() => { signIn.value = { why: "" }; }} />
					)}
					{me.value?.tokens && <Button kind="quiet" onClick={signOut}>Sign out</Button>}
				</div>
			</header>
			<Nav />
			<main id="main">
				<Banner />
				{children}
			</main>
		</>
	);
}
