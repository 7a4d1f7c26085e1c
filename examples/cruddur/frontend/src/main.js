// The page: its load, its own span and its request to the backend are one trace with what the backend does.
import { trace } from "@opentelemetry/api";
import { ZoneContextManager } from "@opentelemetry/context-zone";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { DocumentLoadInstrumentation } from "@opentelemetry/instrumentation-document-load";
import { FetchInstrumentation } from "@opentelemetry/instrumentation-fetch";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, WebTracerProvider } from "@opentelemetry/sdk-trace-web";

const { backend, collector, key } = window.cruddur; // config.js, written by serve.js from the environment

const exporter = new OTLPTraceExporter({ url: `${collector}/v1/traces`, headers: key ? { "x-honeycomb-team": key } : {} });
const provider = new WebTracerProvider({
  resource: resourceFromAttributes({ "service.name": "frontend" }),
  spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 500 })],
});
provider.register({ contextManager: new ZoneContextManager() });
registerInstrumentations({
  instrumentations: [
    new DocumentLoadInstrumentation(),
    new FetchInstrumentation({ propagateTraceHeaderCorsUrls: [new RegExp(`^${backend}`)], ignoreUrls: [new RegExp(`^${collector}`)] }),
  ],
});

const feed = document.getElementById("feed");

function show(posts) {
  feed.replaceChildren(
    ...posts.map((post) => {
      const article = document.createElement("article");
      const handle = document.createElement("b");
      handle.textContent = `@${post.handle} `;
      article.append(handle, post.message);
      return article;
    }),
  );
}

trace.getTracer("home-feed-page").startActiveSpan("HomeFeedPage", async (span) => {
  try {
    const reply = await fetch(`${backend}/api/activities/home`);
    const posts = await reply.json();
    span.setAttribute("app.posts_shown", posts.length);
    show(posts);
  } catch (error) {
    span.recordException(error);
    feed.textContent = "The feed could not be loaded.";
  } finally {
    span.end();
    await provider.forceFlush();
    document.body.dataset.traced = "yes";
  }
});
