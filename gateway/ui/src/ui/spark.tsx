// The last minutes of one number as a small line, without axes: whether it grows.
export function Spark({ of }: { of: readonly (number | null | undefined)[] }) {
	const W = 120;
	const H = 28;
	const values = of.map((v) => v ?? 0);
	if (values.length < 2)
		return <svg class="spark" viewBox={`0 0 ${W} ${H}`} aria-hidden="true" />;
	const max = Math.max(...values, 1e-9);
	const step = W / (values.length - 1);
	const points = values.map((v, i) => `${(i * step).toFixed(1)},${(H - 1 - (v / max) * (H - 3)).toFixed(1)}`);
	return (
		<svg class="spark" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" aria-hidden="true">
			<polygon points={`0,${H} ${points.join(" ")} ${W},${H}`} />
			<polyline points={points.join(" ")} />
		</svg>
	);
}
