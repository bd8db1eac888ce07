// The whole at a glance: the path of tasks as a strip that leads to them, charts, why there are as many
// nodes as there are, and where work waits.
import { signal } from "@preact/signals";
import { at } from "../live";
import { OverviewCharts } from "./overview_charts";
import { Decisions, Lanes } from "./overview_lists";
import { Strip } from "./overview_strip";
import { Page } from "../ui/card";
import { Choice } from "../ui/field";
import { Loading } from "../ui/states";

const span = signal("300");
const SPANS = [["300", "5 min"], ["900", "15 min"], ["1800", "30 min"]] as const;

export function OverviewPage() {
	return (
		<Page title="Overview" actions={
			<Choice label="Time that the charts show" value={span.value} options={SPANS}
				onChange={(v) => { span.value = v; }} />
		}>
			{at.value ? (
				<div class="overview">
					<Strip />
					<OverviewCharts span_s={Number(span.value)} />
					<div class="grid sides">
						<Decisions />
						<Lanes />
					</div>
				</div>
			) : <Loading what="Waiting for the first numbers" />}
		</Page>
	);
}
