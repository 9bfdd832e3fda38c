/** The time by the clock of the service: that of a computer may be wrong by years. */
let known: { server: number; at: number } | undefined;

/** `date`: the header of an answer. */
export function setClock(date: string | null): void {
  const server = Date.parse(date ?? '');
  if (Number.isFinite(server)) known = { server, at: performance.now() };
}

/** Milliseconds since 1970. Until the service has answered once, those of this computer. */
export function serverNow(): number {
  return known ? known.server + performance.now() - known.at : Date.now();
}
