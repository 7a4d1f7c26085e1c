// Serves dist/ and config.js, which tells the page where backend and collector are (the browser cannot read the
// container's environment).
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8" };
const config = JSON.stringify({
  backend: process.env.BACKEND_URL ?? "http://127.0.0.1:4567",
  collector: process.env.COLLECTOR_URL ?? process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "http://127.0.0.1:4318",
  key: process.env.BROWSER_INGEST_KEY ?? "",
});

const server = createServer(async (request, reply) => {
  const path = new URL(request.url, "http://page").pathname.replace(/\/$/, "/index.html");
  try {
    const body = path === "/config.js" ? `window.cruddur = ${config};` : await readFile(new URL(`dist${path}`, import.meta.url));
    reply.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(body);
  } catch {
    reply.writeHead(404).end("not found");
  }
});
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "0.0.0.0", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
process.on("SIGTERM", () => process.exit(0)); // the first process of a container ends only if it says so
