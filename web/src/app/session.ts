// Who is there: someone with an account, a key, or this machine. Known once the server was asked; asked again after a login.
import { computed, signal } from "@preact/signals";
import { ApiError, call, needsLogin } from "../api/client";

export type Role = "viewer" | "editor" | "admin";
export interface Me {
  kind: "user" | "key" | "local";
  name?: string;
  role?: Role;
  has_password?: boolean;
  session?: string;
  permissions: ("query" | "save" | "configure" | "administer")[];
}

export const me = signal<Me | null>(null);
export const meFailure = signal<ApiError | null>(null); // why that is not known
export const mayAdminister = computed(() => me.value?.permissions.includes("administer") ?? false);
export const maySave = computed(() => me.value?.permissions.includes("save") ?? false);

export async function loadMe(): Promise<void> {
  try {
    me.value = await call<Me>("skep/v1/me");
    meFailure.value = null;
  } catch (e) {
    if (!(e instanceof ApiError)) return;
    if (e.status === 401) me.value = null;
    else meFailure.value = e;
  }
}

const BUSY_TRIES = 20;

// The server checks one password at a time: who comes second is told to try again.
export async function logIn(body: { name: string; password: string } | { token: string }): Promise<void> {
  for (let i = 0; ; i++)
    try {
      await call("skep/v1/login", { body });
      break;
    } catch (e) {
      if (!(e instanceof ApiError) || e.status !== 503 || i === BUSY_TRIES) throw e;
      await new Promise(resolve => setTimeout(resolve, 250));
    }
  await loadMe();
  needsLogin.value = false;
}

export async function logOut(): Promise<void> {
  await call("skep/v1/logout", { method: "POST" });
  me.value = null;
  await loadMe(); // on the machine itself one may go on without a login
}
