import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function TailPage() {
	return <Page title="Live tail"><Loading /></Page>;
}
