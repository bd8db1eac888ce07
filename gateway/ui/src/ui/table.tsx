// Tables: sorted by a click on a head, rows that lead somewhere, rows that can be chosen. A column
// that is `wide` is left out on a phone; what still does not fit scrolls inside its box.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { Icon } from "./icons";

export interface Column<T> {
	name: string; // unique; the head where `head` is absent
	head?: ComponentChildren;
	cell: (row: T) => ComponentChildren;
	sort?: (row: T) => number | string;
	right?: boolean; // numbers
	wide?: boolean;  // not on a phone
	grow?: boolean;  // takes the room that is left, and is cut off with an ellipsis
}

export interface TableProps<T> {
	caption: string; // read out; not seen
	columns: readonly Column<T>[];
	rows: readonly T[];
	rowKey: (row: T) => string;
	empty?: ComponentChildren;
	sortBy?: string;       // column to begin with
	descending?: boolean;
	rowClass?: (row: T) => string;
	chosen?: ReadonlySet<string>;
	onChoose?: (keys: Set<string>) => void;
}

export function Table<T>(p: TableProps<T>) {
	const [by, setBy] = useState({ name: p.sortBy ?? "", down: p.descending ?? false });
	const rows = useMemo(() => {
		const sort = p.columns.find((c) => c.name === by.name)?.sort;
		if (!sort)
			return p.rows;
		const sign = by.down ? -1 : 1;
		return [...p.rows].sort((a, b) => {
			const [x, y] = [sort(a), sort(b)];
			return x < y ? -sign : x > y ? sign : 0;
		});
	}, [p.rows, p.columns, by]);
	if (!p.rows.length && p.empty)
		return <>{p.empty}</>;

	const all = p.rows.length > 0 && p.rows.every((r) => p.chosen?.has(p.rowKey(r)));
	const choose = (key: string, on: boolean) => {
		const next = new Set(p.chosen);
		if (on)
			next.add(key);
		else
			next.delete(key);
		p.onChoose?.(next);
	};
	const names = (c: Column<T>) =>
		[c.right && "right", c.wide && "wide", c.grow && "grow"].filter(Boolean).join(" ") || undefined;
	return (
		<div class="table-box" tabIndex={0} role="region" aria-label={p.caption}>
			<table>
				<caption class="hidden">{p.caption}</caption>
				<thead>
					<tr>
						{p.onChoose && (
							<th class="pick" scope="col">
								<input type="checkbox" aria-label="Choose all rows" checked={all}
									onChange={() => p.onChoose?.(new Set(all ? [] : p.rows.map(p.rowKey)))} />
							</th>
						)}
						{p.columns.map((c) => (
							<th key={c.name} scope="col" class={names(c)}
								aria-sort={by.name === c.name ? (by.down ? "descending" : "ascending") : undefined}>
								{c.sort ? (
									<button type="button" class="sort"
										onClick={() => setBy({ name: c.name, down: by.name === c.name ? !by.down : !!c.right })}>
										{c.head ?? c.name}
										{by.name === c.name && <Icon name={by.down ? "down" : "up"} />}
									</button>
								) : (c.head ?? c.name)}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{rows.map((row) => {
						const key = p.rowKey(row);
						const chosen = p.chosen?.has(key) ?? false;
						return (
							<tr key={key} class={`${p.rowClass?.(row) ?? ""} ${chosen ? "chosen" : ""}`}>
								{p.onChoose && (
									<td class="pick">
										<input type="checkbox" aria-label={`Choose ${key}`} checked={chosen}
											onChange={(e) => choose(key, e.currentTarget.checked)} />
									</td>
								)}
								{p.columns.map((c) => <td key={c.name} class={names(c)}>{c.cell(row)}</td>)}
							</tr>
						);
					})}
				</tbody>
			</table>
		</div>
	);
}
