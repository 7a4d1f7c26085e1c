// Severities, from worst to least, and how they are drawn: always the word, the colour is a second sign.
export const SEVERITIES = ["fatal", "error", "warn", "info", "debug", "trace", "unset"] as const;

const COLORS: Record<string, string> = { fatal: "var(--critical)", error: "var(--error)", warn: "var(--warn)", info: "var(--baseline)", debug: "var(--muted)", trace: "var(--line-strong)", unset: "var(--line-strong)" };
export function severityColor(severity: string): string {
  return COLORS[severity] ?? "var(--line-strong)";
}

export function rankOf(severity: string): number {
  const at = (SEVERITIES as readonly string[]).indexOf(severity);
  return at < 0 ? SEVERITIES.length : at;
}
