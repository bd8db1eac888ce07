import { defineConfig, loadEnv } from "vite";

// Few files with hashed names, addressed relative to the page, so that they are embedded in the
// binary as they are and the page may also lie behind a proxy's path. `npm run dev` passes what is
// not the dashboard's on to a gateway: MILLRACE_HTTP, as `millrace dev env` prints it.
const gateway = loadEnv("", ".", "MILLRACE_").MILLRACE_HTTP ?? "http://127.0.0.1:8080";

export default defineConfig({
	base: "./",
	esbuild: { jsx: "automatic", jsxImportSource: "preact" },
	build: {
		target: "es2022",
		modulePreload: false,
		cssCodeSplit: false,
		assetsInlineLimit: 0,
		reportCompressedSize: false,
		rollupOptions: { output: { inlineDynamicImports: true } },
	},
	server: {
		proxy: Object.fromEntries(
			["/api", "/events", "/metrics", "/health", "/livez", "/readyz", "/openapi.json", "/docs"]
				.map((path) => [path, { target: gateway, changeOrigin: true, headers: { Origin: gateway } }]),
		),
	},
});
