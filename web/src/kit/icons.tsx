// Line icons, drawn for this interface on a 16 × 16 grid.
const PATHS = {
  home: "M2.500 7.500 8 3l5.500 4.500M4 6.500v6.500h3v-3.500h2v3.500h3v-6.500",
  query: "M2.500 13.500V2.500M2.500 13.500h11M5 10.500l2.500-3.500 2 2 3.500-5",
  trace: "M2 3.500h8M4.500 8h6M8 12.500h6",
  map: "M3.500 3.500m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M12.500 5.500m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M7 12.500m-1.500 0a1.500 1.500 0 1 0 3 0a1.500 1.500 0 1 0-3 0M5 4l6 1.200M4.300 5l2.100 6M8.200 11.500l3.500-4.700",
  logs: "M2.500 3.500h11M2.500 6.500h7M2.500 9.500h11M2.500 12.500h5",
  doctor: "M8 2.500v11M2.500 8h11M4 4.200 12 11.800",
  key: "M5.500 10.500m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0M7.700 8.300 13.500 2.500M11 5l2 2",
  usage: "M3 13V8M6.500 13V4M10 13V6.500M13.500 13V2.500",
  settings: "M2.500 4.500h11M2.500 11.500h11M6 3v3M10 10v3",
  search: "M7 7m-4.500 0a4.500 4.500 0 1 0 9 0a4.500 4.500 0 1 0-9 0M10.500 10.500l3.500 3.500",
  close: "M3.500 3.500l9 9M12.500 3.500l-9 9",
  down: "M3.500 6l4.500 4.500L12.500 6",
  right: "M6 3.500 10.500 8 6 12.500",
  copy: "M5.500 5.500v-3h8v8h-3M2.500 5.500h8v8h-8z",
  link: "M6.500 9.500l3-3M7.500 4.500l1.200-1.200a2.600 2.600 0 0 1 3.900 3.600l-1.700 1.700M8.500 11.500l-1.200 1.200a2.600 2.600 0 0 1-3.900-3.600l1.700-1.700",
  play: "M4.500 2.500v11l9-5.500z",
  pause: "M5 3v10M11 3v10",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.500 6.500 12 13 4.500",
  warn: "M8 2.500 14.500 13.500h-13zM8 6.500v3.500M8 11.700v.3",
  error: "M8 8m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M8 4.800v4M8 10.900v.3",
  refresh: "M13 5.500A5.500 5.500 0 1 0 13.500 9M13.300 2.500v3.200h-3.200",
  undo: "M3 6.500h7a3.500 3.500 0 0 1 0 7H7M3 6.500l3-3M3 6.500l3 3",
  redo: "M13 6.500H6a3.500 3.500 0 0 0 0 7h3M13 6.500l-3-3M13 6.500l-3 3",
  star: "M8 2.300l1.700 3.600 3.900.5-2.900 2.700.8 3.900L8 11.100 4.500 13l.8-3.900-2.900-2.700 3.900-.5z",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width={name === "more" ? 2.2 : 1.5} stroke-linecap="round" stroke-linejoin="round"
      role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : true}>
      <path d={PATHS[name]} />
    </svg>
  );
}
