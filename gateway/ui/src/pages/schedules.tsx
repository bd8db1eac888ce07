import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function SchedulesPage() {
	return <Page title="Schedules"><Loading /></Page>;
}
