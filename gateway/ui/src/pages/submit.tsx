import { Page } from "../ui/card";
import { Loading } from "../ui/states";

export function SubmitPage() {
	return <Page title="Submit"><Loading /></Page>;
}
