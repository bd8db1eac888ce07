// The icons, as paths of our own in a 16 × 16 box, so that none is asked of anybody.
const PATHS = {
	overview: "M2 9.5h3l2-6 3 9 2-5h2",
	tasks: "M3 4h1M3 8h1M3 12h1M7 4h7M7 8h7M7 12h7",
	lanes: "M2 4h9l3 0M2 8h12M2 12h12M12 2l2 2-2 2",
	nodes: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
	dead: "M8 2.2l6.3 11.3H1.7zM8 6.5v3.2M8 11.6h.01",
	schedules: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.4 1.6",
	health: "M8 13.5S2 10 2 5.9A3.1 3.1 0 0 1 8 4.7a3.1 3.1 0 0 1 6 1.2C14 10 8 13.5 8 13.5z",
	audit: "M3 8.5l3.2 3.2L13 4.8",
	tail: "M2 4l3.5 4L2 12M8 12h6",
	submit: "M8 3v10M3 8h10",
	menu: "M2 4h12M2 8h12M2 12h12",
	close: "M4 4l8 8M12 4l-8 8",
	copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
	download: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M2.5 13.5h11",
	retry: "M13 3v3.5H9.5M12.7 6.5A5.2 5.2 0 1 0 13.2 9",
	stop: "M4 4h8v8H4z",
	pause: "M5.5 3.5v9M10.5 3.5v9",
	play: "M5 3.2l8 4.8-8 4.8z",
	move: "M2.5 8h11M10 4.5L13.5 8 10 11.5",
	edit: "M3 13l.7-3L11 2.7l2.3 2.3L6 12.3z",
	search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7L14 14",
	sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8L13 13M13 3l-1.2 1.2M4.2 11.8L3 13",
	moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z",
	auto: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 2v12M8 5.5l4.8-2M8 9l5.8-2.4M8 12.5l4.6-1.9",
	key: "M10 9a3.5 3.5 0 1 0-3.3-2.3L2 11.4V14h2.6v-1.6h1.6v-1.6l1.3-1.3A3.5 3.5 0 0 0 10 9z",
	help: "M6 6a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.4M8 11.6h.01M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
	right: "M6 3.5L10.5 8 6 12.5",
	left: "M10 3.5L5.5 8l4.5 4.5",
	up: "M3.5 10L8 5.5l4.5 4.5",
	down: "M3.5 6L8 10.5 12.5 6",
	link: "M6.5 9.5l3-3M7 4.5l1.6-1.6a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5l-1.6 1.6a2.8 2.8 0 0 1-4-4L5 7.5",
	trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.2 4.5l.7 9h6.2l.7-9",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
	return (
		<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
			<path d={PATHS[name]} />
		</svg>
	);
}

/** The mill wheel. */
export function Mark() {
	return (
		<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
			<rect width="32" height="32" rx="7" />
			<g>
				<circle cx="16" cy="13.5" r="6.5" />
				<path d="M16 7V20M9.5 13.5H22.5M11.4 8.9L20.6 18.1M20.6 8.9L11.4 18.1" />
				<path d="M4 25c2-2 4-2 6 0s4 2 6 0 4-2 6 0 4 2 6 0" />
			</g>
		</svg>
	);
}
