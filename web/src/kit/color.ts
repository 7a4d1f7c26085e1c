// A service keeps its colour everywhere: a stable hash of its name, collisions moved to the next free of the eight while there is one.
export const SERVICE_COLORS = 8;

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}

// Slots 0…7 for names in order of rank; -1: grey, told apart by its label.
export function colorSlots(names: readonly string[]): Map<string, number> {
  const slots = new Map<string, number>();
  const taken = new Array<boolean>(SERVICE_COLORS).fill(false);
  for (const name of names) {
    if (slots.has(name)) continue;
    if (slots.size >= SERVICE_COLORS) { slots.set(name, -1); continue; }
    let slot = hash(name) % SERVICE_COLORS;
    while (taken[slot]) slot = (slot + 1) % SERVICE_COLORS;
    taken[slot] = true;
    slots.set(name, slot);
  }
  return slots;
}

export function cssColor(slot: number): string {
  return slot < 0 ? "var(--s-other)" : `var(--s${slot})`;
}

// The value of a token for a canvas.
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
export function slotColor(slot: number): string {
  return token(slot < 0 ? "--s-other" : `--s${slot}`);
}
export function heatRamp(): string[] {
  return Array.from({ length: 9 }, (_, i) => token(`--h${i + 1}`));
}
