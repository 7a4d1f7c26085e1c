// A module of the interface as the tests' own, for its pure parts: bundled in memory.
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./harness.mjs";

const { build: bundle } = createRequire(join(ROOT, "web/package.json"))("esbuild");

export async function build(path) {
  const made = await bundle({ entryPoints: [join(ROOT, "web/src", path)], bundle: true, format: "esm", write: false, jsx: "automatic", jsxImportSource: "preact", loader: { ".css": "empty" } });
  return import("data:text/javascript;base64," + Buffer.from(made.outputFiles[0].contents).toString("base64"));
}
