import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function HealthPage() {
	return <Page title="Health"><Loading /></Page>;
}
