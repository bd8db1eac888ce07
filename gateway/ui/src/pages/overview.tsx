import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function OverviewPage() {
	return <Page title="Overview"><Loading /></Page>;
}
