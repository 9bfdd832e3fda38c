/** A timer that is later than this belongs to a process that stood still itself (Ctrl-Z), and most likely its child too. */
const STOOD_STILL_MILLISECONDS = 1_000;

/** Calls `onStall` when no progress has come in time. `now`: milliseconds, steadily. */
export function watchForStall(onStall: () => void, now: () => number = () => performance.now()) {
  let timer: NodeJS.Timeout | undefined;
  function expectProgressWithin(seconds: number): void {
    clearTimeout(timer);
    const due = now() + seconds * 1000;
    timer = setTimeout(() => {
      if (now() > due + STOOD_STILL_MILLISECONDS) expectProgressWithin(seconds);
      else onStall();
    }, seconds * 1000);
  }
  return { expectProgressWithin, end: () => clearTimeout(timer) };
}
