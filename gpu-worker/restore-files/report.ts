import { AppError } from '../../shared/error.ts';
import { oneLine } from '../../shared/one-line.ts';
import type { EngineResult } from '../child.ts';
import type { Task } from './plan.ts';
import type { ProgressLine } from './progress-line.ts';
import type { LeftOut } from './walk-folder.ts';

/** The report of a run to a person, or with `json` to a program. */
export interface Report {
  restored(task: Task, result: EngineResult): void;
  skipped(task: Task): void;
  /** `shown`: in the person's words. */
  failed(shown: string, error: unknown, task?: Task): void;
  /** To be called last. Returns how many have failed. */
  end(leftOut: LeftOut, notDone: number): number;
}

interface ReportOptions {
  /** One object a line on standard output. */
  json: boolean;
  /** Standard output is for the picture. */
  picture: boolean;
  line: ProgressLine;
}

export function createReport({ json, picture, line }: ReportOptions): Report {
  const failures: string[] = [];
  let restored = 0;
  let skipped = 0;
  const tell = (lines: string[]) =>
    line.print(picture ? process.stderr : process.stdout, lines.map(oneLine).join('\n'));
  const complain = (lines: string[]) => line.print(process.stderr, lines.map(oneLine).join('\n'));
  const tellObject = (value: object) => line.print(process.stdout, JSON.stringify(value));
  return {
    restored({ photo, outputPath, parameters }, result) {
      restored++;
      if (json) tellObject({ input: photo.shown, output: outputPath, parameters, ...result });
      else tell(describeResult(picture ? photo.shown : outputPath, result));
    },
    skipped({ photo, outputPath }) {
      skipped++;
      if (json) tellObject({ input: photo.shown, output: outputPath, skipped: true });
    },
    failed(shown, thrown, task) {
      const error = thrown instanceof AppError ? thrown : new AppError('internal', (thrown as Error).message);
      const { code, message } = error;
      failures.push(`${shown}: ${message}`);
      complain(failures.slice(-1));
      if (json) {
        const places = task ? { input: shown, output: task.outputPath } : { input: shown };
        tellObject({ ...places, error: { code, message } });
      }
    },
    end(leftOut, notDone) {
      const photos = restored + skipped + failures.length + notDone;
      const others = describeLeftOut(leftOut);
      if (photos === 1 && skipped + notDone === 0 && others === '') return failures.length;
      const counts = [
        `${restored} restored`,
        skipped > 0 && `${skipped} there already`,
        failures.length > 0 && `${failures.length} failed`,
        notDone > 0 && `${notDone} not done (--skip-existing goes on there)`,
      ];
      complain([
        `${count(photos, 'photo')}: ${counts.filter(Boolean).join(', ')}.${others && ` Left out: ${others}.`}`,
        ...failures.map((failure) => `Failed: ${failure}`),
      ]);
      return failures.length;
    },
  };
}

function describeResult(name: string, result: EngineResult): string[] {
  const { width, height, bytes, notes, fidelity_report: report } = result;
  const seconds = Object.values(result.seconds).reduce((total, stage) => total + stage);
  const lines = [`${name}: ${width}×${height}, ${bytes} bytes, ${seconds.toFixed(1)} s`];
  for (const note of notes) lines.push(`  Note: ${note}`);
  if (!report) return lines;
  const { psnr, delta_e, added_detail } = report;
  const detail = `detail added or taken away: ${added_detail} levels of 255`;
  return [...lines, `  True to the photo: ${psnr} dB, ΔE ${delta_e}; ${detail}.`];
}

function describeLeftOut({ hidden, folders, links, kinds, results }: LeftOut): string {
  const parts = [
    hidden > 0 && `${hidden} hidden`,
    folders > 0 && `${count(folders, 'folder')} within (--recursive)`,
    links > 0 && `${count(links, 'link')} to folders`,
    results > 0 && `${count(results, 'result')} of an earlier run`,
    kinds.length > 0 && `${kinds.length} not named as photos are (${[...new Set(kinds)].sort().join(', ')})`,
  ];
  return parts.filter(Boolean).join(', ');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
