// Requests to the server this page came from, and to nothing else. Every failure becomes an ApiError with a sentence that can be shown.
import { signal } from "@preact/signals";
import { BASE } from "../app/location";

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly offset?: number, readonly requestId?: string) {
    super(message);
  }
}

// Set when the server wants to know who is there (401): the shell shows the login.
export const needsLogin = signal(false);

const ADVICE: Record<string, string> = {
  unreachable: "Is the server running? It is asked again every 3 seconds.",
  too_large: "Ask for less: a shorter time, fewer groups, or a filter.",
  timeout: "Ask for a shorter time or add a filter; the server's limit is --query-timeout.",
  unavailable: "The server is busy; try again in a moment.",
  unauthenticated: "Log in, or open the link that `skep open` prints on the server's machine.",
};
export function adviceFor(error: ApiError): string | null {
  return ADVICE[error.code] ?? (error.status === 504 ? ADVICE.timeout! : error.status === 503 ? ADVICE.unavailable! : null);
}

async function failure(response: Response): Promise<ApiError> {
  const id = response.headers.get("x-request-id") ?? undefined;
  let said: { error?: string; code?: string; offset?: number } = {};
  try {
    said = await response.json();
  } catch {
    // not ours: a proxy in between
  }
  if (response.status === 401) needsLogin.value = true;
  return new ApiError(response.status, said.code ?? "http_" + response.status, said.error ?? `the server answered ${response.status} ${response.statusText}`, said.offset, id);
}

function csrf(): Record<string, string> {
  const found = /(?:^|; )skep_csrf=([^;]+)/.exec(document.cookie);
  return found ? { "x-skep-csrf": decodeURIComponent(found[1]!) } : {};
}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  params?: Record<string, string | number | null | undefined>;
  signal?: AbortSignal;
  accept?: string;
}

async function send(path: string, call: Call): Promise<Response> {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(call.params ?? {})) if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
  const text = params.toString();
  let response: Response;
  try {
    response = await fetch(BASE + path + (text ? "?" + text : ""), {
      method: call.method ?? (call.body === undefined ? "GET" : "POST"),
      headers: { accept: call.accept ?? "application/json", ...csrf(), ...(call.body === undefined ? {} : { "content-type": "application/json" }) },
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
      signal: call.signal ?? null, credentials: "same-origin",
    });
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    throw new ApiError(0, "unreachable", "the server cannot be reached");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function call<T>(path: string, options: Call = {}): Promise<T> {
  const response = await send(path, options);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

export async function callText(path: string, options: Call = {}): Promise<string> {
  return (await send(path, { accept: "text/plain", ...options })).text();
}

export interface ServerEvent { event: string; data: string }

// Server-sent events of any request, also a POST, until the stream ends or the signal aborts it.
export async function* events(path: string, options: Call = {}): AsyncGenerator<ServerEvent> {
  const response = await send(path, { ...options, accept: "text/event-stream" });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const lines = rest.slice(0, end).split("\n");
        rest = rest.slice(end + 2);
        const data = lines.filter(l => l.startsWith("data:")).map(l => l.slice(5).trimStart()).join("\n");
        const event = lines.find(l => l.startsWith("event:"))?.slice(6).trim() ?? "message";
        if (data) yield { event, data };
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
