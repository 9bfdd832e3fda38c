import { basename } from 'node:path';
import { SingleBar } from 'cli-progress';
import type { Progress } from '../../shared/job.ts';
import { oneLine } from '../../shared/one-line.ts';
import { createPace } from './pace.ts';

const MAX_NAME = 32;
/** The reader of standard error comes later where that is no terminal. */
const LOG_MILLISECONDS = 10_000;

/** The one line on standard error that says how far the run is. */
export interface ProgressLine {
  begin(name: string, bytes: number): void;
  update(progress: Progress): void;
  /** `worked`: otherwise its bytes say nothing about the pace. */
  end(worked: boolean): void;
  /** Prints lines to a stream; on a terminal the progress stays below them. */
  print(stream: NodeJS.WriteStream, lines: string): void;
  stop(): void;
}

/** Of so many photos, which have so many bytes in all. */
export function startProgressLine(photos: number, totalBytes: number): ProgressLine {
  const pace = createPace(totalBytes, () => performance.now());
  const bar = new SingleBar({
    format: '[{bar}] {percentage}% | {text}',
    barsize: 20,
    clearOnComplete: true,
    noTTYOutput: true,
    notTTYSchedule: LOG_MILLISECONDS,
  });
  let number = 0;
  let name = '';
  let text = '';
  let runs = false;
  const start = () => bar.start(100, Math.floor(100 * pace.share()), { text });
  const draw = () => bar.update(Math.floor(100 * pace.share()), { text });
  return {
    begin(next, bytes) {
      number++;
      name = shorten(oneLine(basename(next)));
      text = `${number}/${photos} ${name}`;
      pace.begin(bytes);
      draw();
    },
    update(progress) {
      pace.update(progress);
      const { stage, step, steps, tile, tiles } = progress;
      const place = [stage.replace('_', ' '), steps && `step ${step}/${steps}`, tiles && `tile ${tile}/${tiles}`];
      const parts = [`${number}/${photos} ${name}`, place.filter(Boolean).join(' '), pace.speed(), pace.timeLeft()];
      text = parts.filter(Boolean).join(' | ');
      if (runs) draw();
      else start();
      runs = true;
    },
    end(worked) {
      pace.end(worked);
      draw();
    },
    print(stream, lines) {
      const isShared = runs && process.stderr.isTTY && stream.isTTY;
      if (isShared) bar.stop();
      stream.write(`${lines}\n`);
      if (isShared) start();
    },
    stop() {
      runs = false;
      bar.stop();
    },
  };
}

function shorten(name: string): string {
  const characters = [...name];
  if (characters.length <= MAX_NAME) return name;
  return `${characters.slice(0, MAX_NAME / 2).join('')}…${characters.slice(1 - MAX_NAME / 2).join('')}`;
}
