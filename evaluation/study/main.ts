import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getRequestListener } from '@hono/node-server';
import { AppError } from '../../shared/error.ts';
import { createStudyApp } from './app.ts';
import { findStudyPictures, type PictureFiles, parseRestored } from './find-pictures.ts';
import { buildPage } from './page-files.ts';
import type { Study } from './plan.ts';
import { toCsv, toMarkdown, votesToCsv } from './report.ts';
import { summarizeVotes } from './results.ts';
import { createShownPictures } from './shown-pictures.ts';
import { openVoteStore, type VoteStore } from './vote-store.ts';

const USAGE = `npm run study -- --lr DIR --hr DIR --restored NAME=DIR [--restored NAME=DIR ...] --out DIR [options]
npm run study -- --out DIR --results

Asks people, on a page that it serves, which of two pictures fits the photo better: the ground truth or a restored one;
then which of all restored ones is the best. Files belong together by their names without ending; a photo without a
picture in --hr is asked about in the second part alone. Who leaves goes on later; started again with the same folders,
so does the study.

  --results     prints the rates, also while people vote, and writes table.md, results.json, results.csv and votes.csv
  --host        where it listens (default 127.0.0.1: this machine alone; 0.0.0.0 lets phones of your network take part)
  --port N      (default 0: one that is free)
  --seed N      of the order of all things (default 0)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hr: { type: 'string' },
      lr: { type: 'string' },
      restored: { type: 'string', multiple: true, default: [] },
      out: { type: 'string' },
      results: { type: 'boolean', default: false },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      seed: { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(USAGE);
  const { hr, lr, out } = values;
  if (out && values.results) return report(out);
  if (!lr || !out) throw new AppError('invalid', `--lr and --out are needed.\n\n${USAGE}`);
  const [seed, port] = [readNumber('seed', values.seed, 2 ** 32 - 1), readNumber('port', values.port, 65_535)];
  const restored = parseRestored(values.restored);
  const pictures = await findStudyPictures(lr, hr, restored);
  const models = restored.map(({ name }) => name);
  if (models.length < 2 && pictures.every(({ hasTruth }) => !hasTruth)) {
    throw new AppError('invalid', 'There is nothing to choose from: --hr, or two of --restored, are needed.');
  }
  const store = openVoteStore(out);
  store.begin({ seed, models, pictures: pictures.map(withoutPaths) });
  await serve(store, pictures, { host: values.host, port });
}

async function serve(store: VoteStore, pictures: PictureFiles[], { host, port }: { host: string; port: number }) {
  const onError = (error: unknown) => process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  const page = await buildPage();
  const app = createStudyApp({ study: store.study()!, store, pictures: createShownPictures(pictures), page, onError });
  const server = createServer(getRequestListener(app.fetch));
  server.once('error', fail);
  server.listen(port, host, () => {
    const { address, family, port: taken } = server.address() as AddressInfo;
    const real = pictures.filter(({ hasTruth }) => !hasTruth).length;
    if (real > 0)
      print(`${real} of ${pictures.length} photos have no ground truth: they are in the second part alone.\n`);
    print(
      `The study is at http://${family === 'IPv6' ? `[${address}]` : address}:${taken}/. Ctrl+C ends it; no vote is lost.\n`,
    );
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.closeAllConnections();
      server.close(() => store.close());
    });
  }
}

function withoutPaths({ name, width, height, hasTruth, fingerprint }: PictureFiles): Study['pictures'][number] {
  return { name, width, height, hasTruth, fingerprint };
}

async function report(directory: string): Promise<void> {
  const store = openVoteStore(directory);
  const study = store.study();
  if (!study) throw new AppError('not-found', `There is no study in ${directory}.`);
  const votes = store.votes();
  const result = summarizeVotes(study, store.countParticipants(), votes);
  store.close();
  const table = toMarkdown(result);
  await writeFile(join(directory, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(join(directory, 'results.csv'), toCsv(result));
  await writeFile(join(directory, 'votes.csv'), votesToCsv(votes));
  await writeFile(join(directory, 'table.md'), table);
  print(table);
}

function readNumber(option: string, value: string, most: number): number {
  if (/^\d{1,10}$/.test(value) && Number(value) <= most) return Number(value);
  throw new AppError('invalid', `--${option} ${value}: it is a whole number from 0 to ${most}.`);
}

function print(text: string): void {
  process.stdout.write(text);
}

function fail(error: unknown): void {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}

main().catch(fail);
