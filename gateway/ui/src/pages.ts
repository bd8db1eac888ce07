// The pages: where they are, what the navigation and the keyboard call them. app.tsx says which
// component each one is.
import type { IconName } from "./ui/icons";

export interface PageEntry { path: string; title: string; icon: IconName; key: string }

export const pages: readonly PageEntry[] = [
	{ path: "/", title: "Overview", icon: "overview", key: "o" },
	{ path: "/tasks", title: "Tasks", icon: "tasks", key: "t" },
	{ path: "/lanes", title: "Lanes", icon: "lanes", key: "l" },
	{ path: "/nodes", title: "Nodes", icon: "nodes", key: "n" },
	{ path: "/dead", title: "Dead letters", icon: "dead", key: "d" },
	{ path: "/schedules", title: "Schedules", icon: "schedules", key: "s" },
	{ path: "/health", title: "Health", icon: "health", key: "h" },
	{ path: "/audit", title: "Audit", icon: "audit", key: "a" },
	{ path: "/tail", title: "Live tail", icon: "tail", key: "w" },
	{ path: "/submit", title: "Submit", icon: "submit", key: "u" },
];
