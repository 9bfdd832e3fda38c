import type { Progress } from '../../shared/job.ts';

/** How fast a run is, and how long it will take: seconds by tile, and by byte of the photos' files. */
export interface Pace {
  /** The next photo. */
  begin(bytes: number): void;
  update(progress: Progress): void;
  /** `worked`: otherwise the photo took no time that would say anything about the others. */
  end(worked: boolean): void;
  /** Of the run, 0 to 1. */
  share(): number;
  /** '' until it is known. */
  speed(): string;
  timeLeft(): string;
}

/** Until then a guess is worth nothing. */
const MIN_SHARE = 0.01;
/** How much the newest tile counts. */
const NEWEST = 0.3;

/** `now`: in milliseconds, steadily. */
export function createPace(totalBytes: number, now: () => number): Pace {
  let left = totalBytes;
  let done = 0;
  let current = { bytes: 0, percent: 0 };
  let secondsPerTile: number | undefined;
  let lastTile: { key: string; at: number } | undefined;
  let base: { worked: number; at: number } | undefined;
  const worked = () => done + (current.bytes * current.percent) / 100;

  function noteTile({ stage, step, tile }: Progress): void {
    const key = `${stage} ${step} ${tile}`;
    if (tile === undefined || key === lastTile?.key) return;
    const at = now();
    if (lastTile && tile > 0) {
      const seconds = (at - lastTile.at) / 1000;
      secondsPerTile = secondsPerTile === undefined ? seconds : (1 - NEWEST) * secondsPerTile + NEWEST * seconds;
    }
    lastTile = { key, at };
  }

  return {
    begin(bytes) {
      current = { bytes, percent: 0 };
      lastTile = undefined;
    },
    update(progress) {
      current.percent = progress.percent;
      // Loading happens once for all photos, and decoding says nothing about the rest.
      if (progress.stage !== 'load' && progress.stage !== 'decode') base ??= { worked: worked(), at: now() };
      noteTile(progress);
    },
    end(isWork) {
      if (isWork) done += current.bytes;
      else left -= current.bytes;
      current = { bytes: 0, percent: 0 };
    },
    share: () => (left > 0 ? worked() / left : 1),
    speed() {
      if (!secondsPerTile) return '';
      return secondsPerTile < 1 ? `${(1 / secondsPerTile).toFixed(1)} tiles/s` : `${secondsPerTile.toFixed(1)} s/tile`;
    },
    timeLeft() {
      const since = base ? worked() - base.worked : 0;
      if (!base || since <= MIN_SHARE * left) return '';
      return `${formatSeconds(((now() - base.at) / 1000) * ((left - worked()) / since))} left`;
    },
  };
}

function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const clock = [minutes, rest].map((part) => String(part).padStart(2, '0')).join(':');
  return hours > 0 ? `${hours}:${clock}` : clock;
}
