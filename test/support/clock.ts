/** A clock that moves only when it is told to; negative seconds move it back. */
export function createClock(start = Date.parse('2026-01-01T00:00:00.000Z')) {
  let time = start;
  return {
    now: () => time,
    advance(seconds: number) {
      time += seconds * 1000;
    },
  };
}

export type Clock = ReturnType<typeof createClock>;
