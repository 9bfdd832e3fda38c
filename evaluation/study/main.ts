import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { runCommand, usageError, wholeNumber } from '../../shared/adapters/node/command.ts';
import type { Values } from '../../shared/adapters/node/command-line.ts';
import { AppError } from '../../shared/error.ts';
import { createStudyApp } from './app.ts';
import { findStudyPictures, type PictureFiles, parseRestored } from './find-pictures.ts';
import { buildPage } from './page-files.ts';
import type { Study } from './plan.ts';
import { toCsv, toMarkdown, votesToCsv } from './report.ts';
import { summarizeVotes } from './results.ts';
import { createShownPictures } from './shown-pictures.ts';
import { openVoteStore, type VoteStore } from './vote-store.ts';

const OPTIONS = {
  lr: { value: 'DIR', about: 'the photos' },
  hr: { value: 'DIR', about: 'the ground truth' },
  restored: { value: 'NAME=DIR', about: 'restored pictures of one model', multiple: true },
  out: { value: 'DIR', about: 'where the votes and the results are' },
  results: {
    about: 'print the rates, also while people vote, and write table.md, results.json, results.csv and votes.csv',
  },
  host: {
    value: 'HOST',
    about: 'where it listens: 127.0.0.1 is this machine alone, 0.0.0.0 lets phones of your network take part',
    default: '127.0.0.1',
  },
  port: { value: 'N', about: '0: one that is free', default: '0' },
  seed: { value: 'N', about: 'of the order of all things', default: '0' },
} as const;

async function study(values: Values<typeof OPTIONS>): Promise<void> {
  const { hr, lr, out } = values;
  if (out && values.results) return report(out);
  if (!lr || !out) throw usageError('--lr and --out are needed');
  const [seed, port] = [wholeNumber('seed', values.seed, 2 ** 32 - 1), wholeNumber('port', values.port, 65_535)];
  const restored = parseRestored(values.restored);
  const pictures = await findStudyPictures(lr, hr, restored);
  const models = restored.map(({ name }) => name);
  if (models.length < 2 && pictures.every(({ hasTruth }) => !hasTruth)) {
    throw usageError('There is nothing to choose from: --hr, or two of --restored, are needed.');
  }
  const store = openVoteStore(out);
  store.begin({ seed, models, pictures: pictures.map(withoutPaths) });
  await serve(store, pictures, { host: values.host, port });
}

async function serve(store: VoteStore, pictures: PictureFiles[], { host, port }: { host: string; port: number }) {
  process.stderr.on('error', () => {}); // its reader may go; the study goes on
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

function print(text: string): void {
  process.stdout.write(text);
}

function fail(error: unknown): void {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}

runCommand({
  name: 'study',
  usage: ['--lr DIR --hr DIR --restored NAME=DIR [--restored NAME=DIR ...] --out DIR [options]', '--out DIR --results'],
  about: `
Asks people, on a page that it serves, which of two pictures fits the photo better: the ground truth or a restored one;
then which of all restored ones is the best. Files belong together by their names without ending; the second part alone asks
about a photo without a picture in --hr. People who leave go on later; started again with the same folders, so does the study.`,
  options: OPTIONS,
  run: study,
});
