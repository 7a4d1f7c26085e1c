// Builds the interface: bundles src/main.tsx, compresses every file, holds the sizes to their budgets and writes the table of files that the
// server embeds (src/web/assets.h). `node build.mjs --out DIR` writes DIR/assets.c, DIR/sizes.json and DIR/files/; `--plain` does not minify and knows no budget.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const FIRST_LOAD_MAX = 60 * 1024, ALL_MAX = 150 * 1024; // bytes of gzip
const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", html: "text/html; charset=utf-8",
  svg: "image/svg+xml", txt: "text/plain; charset=utf-8", webmanifest: "application/manifest+json" };

const argument = name => { const at = process.argv.indexOf(name); return at < 0 ? undefined : process.argv[at + 1]; };
const out = argument("--out") ?? join(HERE, "dist");
const isPlain = process.argv.includes("--plain");

// What of others is inside: their notices, which the interface shows under Settings.
function notices() {
  const packages = ["preact", "@preact/signals", "@preact/signals-core", "uplot"];
  return packages.map(name => {
    const folder = join(HERE, "node_modules", name);
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}\n`;
  }).join("\n" + "-".repeat(80) + "\n\n");
}

function styleFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(e => (e.isDirectory() ? styleFiles(join(folder, e.name)) : e.name.endsWith(".css") ? [join(folder, e.name)] : [])).sort();
}

// One style sheet for all pages: esbuild loads no style with a page that is imported later. Tokens and controls first, then what pages add.
const ORDER = ["style/tokens.css", "style/base.css", "style/kit.css", "style/shell.css"];
const oneStyle = {
  name: "one-style",
  setup(b) {
    b.onResolve({ filter: /\.css$/ }, args => (/\.tsx?$/.test(args.importer) ? { path: args.path, namespace: "in-the-one-style" } : undefined));
    b.onLoad({ filter: /.*/, namespace: "in-the-one-style" }, () => ({ contents: "", loader: "js" }));
    b.onResolve({ filter: /^style$/ }, () => ({ path: "style", namespace: "style" }));
    b.onLoad({ filter: /.*/, namespace: "style" }, () => {
      const src = join(HERE, "src"), all = styleFiles(src).map(f => relative(src, f));
      const rest = all.filter(f => !ORDER.includes(f));
      return { contents: ["uplot/dist/uPlot.min.css", ...[...ORDER, ...rest].map(f => "./" + f)].map(f => `@import "${f}";`).join("\n"), loader: "css", resolveDir: src };
    });
  },
};

async function bundle() {
  const common = {
    absWorkingDir: HERE, bundle: true, target: ["es2021"], outdir: "files", entryNames: "[name]-[hash]", chunkNames: "chunk-[hash]", assetNames: "[name]-[hash]",
    minify: !isPlain, write: false, metafile: true, jsx: "automatic", jsxImportSource: "preact", legalComments: "none", charset: "utf8", logLevel: "warning",
  };
  const app = await build({ ...common, entryPoints: { app: "src/main.tsx" }, inject: ["src/shared.ts"], splitting: true, format: "esm", plugins: [oneStyle] });
  const style = await build({ ...common, entryPoints: { style: "style" }, plugins: [oneStyle] });
  const theme = await build({ ...common, entryPoints: { theme: "src/theme.ts" }, format: "iife" }); // blocks the first paint, so it stands alone
  const files = [...app.outputFiles, ...style.outputFiles, ...theme.outputFiles];
  return { files: files.map(f => ({ path: f.path.slice(f.path.lastIndexOf("/") + 1), bytes: Buffer.from(f.contents) })), meta: app.metafile, inputs: [app, style, theme].flatMap(r => Object.keys(r.metafile.inputs)) };
}

// What the first page loads before anything is asked: the entry, its style, and what it imports at once.
function firstLoad(meta) {
  const outputs = meta.outputs, seen = new Set();
  const entry = Object.keys(outputs).find(path => outputs[path].entryPoint === "src/main.tsx");
  const visit = path => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const i of outputs[path].imports) if (i.kind === "import-statement") visit(i.path);
  };
  visit(entry);
  return [...seen].map(path => path.slice(path.lastIndexOf("/") + 1));
}

function page(files, first) {
  const named = (start, end) => files.find(f => f.path.startsWith(start) && f.path.endsWith(end)).path;
  const preload = first.filter(p => p.endsWith(".js") && !p.startsWith("app-")).map(p => `<link rel="modulepreload" href="_/${p}">`).join("\n");
  return readFileSync(join(HERE, "src/index.html"), "utf8")
    .replace("{{theme}}", `_/${named("theme-", ".js")}`).replace("{{app}}", `_/${named("app-", ".js")}`)
    .replace("{{style}}", `_/${named("style-", ".css")}`).replace("{{preload}}", preload);
}

// What the table depends on, for ninja: every file that went into it.
function writeDepfile(path, inputs) {
  const names = [...new Set(inputs)].filter(i => !i.includes(":")).map(i => join(HERE, i).replaceAll(" ", "\\ "));
  names.push(...["package-lock.json", "src/index.html", "src/icon.svg"].map(f => join(HERE, f)));
  writeFileSync(path, `src/web/assets.c: ${names.join(" ")}\n`);
}

function compressed(bytes) {
  return { gzip: gzipSync(bytes, { level: 9 }),
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }) };
}

function table(files) {
  const lines = ["/* Made by web/build.mjs. */", "#include \"web/assets.h\"", ""];
  const array = (name, bytes) => {
    const rows = [];
    for (let i = 0; i < bytes.length; i += 40) rows.push([...bytes.subarray(i, i + 40)].join(","));
    lines.push(`static const uint8_t ${name}[${bytes.length}] = {`, rows.join(",\n"), "};");
  };
  files.forEach((f, i) => { array(`gzip_${i}`, f.gzip); array(`brotli_${i}`, f.brotli); });
  lines.push("", "const web_asset web_assets[] = {");
  files.forEach((f, i) => lines.push(`    {"${f.path}", "${f.type}", "${f.tag}", ${f.bytes.length}, {gzip_${i}, ${f.gzip.length}}, {brotli_${i}, ${f.brotli.length}}},`));
  lines.push("};", `const size_t web_asset_count = ${files.length};`, "");
  return lines.join("\n");
}

const { files, meta, inputs } = await bundle();
const first = firstLoad(meta);
files.push({ path: "index.html", bytes: Buffer.from(page(files, first)) });
files.push({ path: "icon.svg", bytes: readFileSync(join(HERE, "src/icon.svg")) });
files.push({ path: "notices.txt", bytes: Buffer.from(notices()) });
for (const f of files) {
  f.type = TYPES[f.path.slice(f.path.lastIndexOf(".") + 1)];
  f.tag = createHash("sha256").update(f.bytes).digest("hex").slice(0, 16);
  Object.assign(f, compressed(f.bytes));
}
files.sort((a, b) => (a.path < b.path ? -1 : 1));

rmSync(join(out, "files"), { recursive: true, force: true });
mkdirSync(join(out, "files"), { recursive: true });
for (const f of files) writeFileSync(join(out, "files", f.path), f.bytes);
writeFileSync(join(out, "assets.c"), table(files));
if (argument("--depfile")) writeDepfile(argument("--depfile"), inputs);

const sum = list => list.reduce((bytes, f) => bytes + f.gzip.length, 0);
const isFirst = f => first.includes(f.path) || f.path === "index.html" || /^(theme|style)-/.test(f.path);
const sizes = { first_load: sum(files.filter(isFirst)), all: sum(files.filter(f => f.path !== "notices.txt")) };
writeFileSync(join(out, "sizes.json"), JSON.stringify({ ...sizes, files: Object.fromEntries(files.map(f => [f.path, f.gzip.length])) }, null, 1) + "\n");
if (!isPlain) {
  const kib = bytes => (bytes / 1024).toFixed(1) + " KiB";
  console.log(`web: first load ${kib(sizes.first_load)} of ${kib(FIRST_LOAD_MAX)}, all ${kib(sizes.all)} of ${kib(ALL_MAX)} (gzip)`);
  if (sizes.first_load > FIRST_LOAD_MAX || sizes.all > ALL_MAX) {
    console.error("web: larger than its budget (docs/internals/web.md)");
    process.exit(1);
  }
}
