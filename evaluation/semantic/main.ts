import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DEVICE_OPTION, readDevice } from '../../gpu-worker/device-settings.ts';
import { chooseDevice } from '../../gpu-worker/open-engines.ts';
import { type AskedDevices, placeName } from '../../gpu-worker/runtime/device-places.ts';
import { takeShare } from '../../gpu-worker/runtime/share.ts';
import { runCommand, usageError } from '../../shared/adapters/node/command.ts';
import type { Values } from '../../shared/adapters/node/command-line.ts';
import { AppError } from '../../shared/error.ts';
import { createLog } from '../../shared/log.ts';
import { findPictures } from '../pairs.ts';
import { readInstances, readPanoptic, readPanopticPredictions, readPredictions, type Scene } from './coco-files.ts';
import { type Candidate, evaluateSemantic, type GroundTruth, type SemanticResult } from './evaluate-semantic.ts';
import { loadNetwork, type Network } from './network.ts';
import { toCsv, toJson, toMarkdown } from './semantic-report.ts';

const OPTIONS = {
  annotations: { value: 'FILE', about: 'ground truth: instances.json of COCO' },
  panoptic: { value: 'FILE', about: 'ground truth: panoptic.json of COCO' },
  'panoptic-masks': { value: 'DIR', about: 'its PNG files (default: the folder of its name without .json)' },
  'semantic-masks': {
    value: 'DIR',
    about: 'ground truth: gray PNG files whose levels are categories (default: those of --panoptic)',
  },
  'ignore-label': { value: 'N', about: 'the level that does not count', default: '255' },
  restored: { value: 'NAME=DIR', about: 'restored pictures, each of the very size that was annotated', multiple: true },
  model: { value: 'FILE.onnx', about: 'the network that looks at them, with its description FILE.json beside it' },
  predictions: {
    value: 'NAME=FILE',
    about: 'boxes and masks that any program found, as results of COCO',
    multiple: true,
  },
  'panoptic-predictions': {
    value: 'NAME=FILE',
    about: 'the panoptic format of COCO, PNG files in the folder of its name',
    multiple: true,
  },
  'semantic-predictions': { value: 'NAME=DIR', about: 'gray PNG files', multiple: true },
  out: { value: 'DIR', about: 'where table.md, categories.csv and results.json go' },
  subset: { about: 'measure the pictures that are there, not all that are annotated' },
  device: DEVICE_OPTION,
} as const;

async function evaluateRestored(values: Values<typeof OPTIONS>): Promise<void> {
  const { out } = values;
  if (!out) throw usageError('--out is needed');
  const asked = readDevice(values.device);
  if (values.restored.length > 0 && !values.model)
    throw usageError('--restored needs --model: a network that looks at the pictures.');
  const truth = await readTruth(values);
  const candidates = await readCandidates(values, truth);
  const annotated = scenesOf(truth);
  const scenes = chooseScenes(annotated, candidates, values.subset);
  await mkdir(out, { recursive: true });
  const opened = values.model === undefined ? undefined : await openNetwork(values.model, asked);
  const results = await measureAll(candidates, scenes, truth, opened?.network);
  const facts = { pictures: scenes.length, annotated: annotated.length, ...opened?.facts };
  const table = toMarkdown(results, facts);
  const names = new Map([...(truth.panoptic?.categories ?? [])].map(([id, { name }]) => [id, name]));
  await writeFile(join(out, 'results.json'), toJson(results, facts));
  await writeFile(
    join(out, 'categories.csv'),
    toCsv(results, new Map([...names, ...(truth.instances?.categories ?? [])])),
  );
  await writeFile(join(out, 'table.md'), table);
  process.stdout.write(table);
}

async function openNetwork(model: string, asked: AskedDevices) {
  const log = createLog('warn', (line) => process.stderr.write(`${line}\n`));
  const { choice, ...place } = await chooseDevice(asked, { modelsDirectory: '', log });
  process.stderr.write(`${choice}\n`);
  takeShare({ deviceIndex: place.index });
  const facts = { network: basename(model), device: placeName(place) };
  return { network: await loadNetwork(model, place.device), facts };
}

async function measureAll(
  candidates: readonly Candidate[],
  scenes: readonly Scene[],
  truth: GroundTruth,
  network: Network | undefined,
): Promise<SemanticResult[]> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new AppError('conflict', 'Stopped.')));
  const onPicture = (candidate: string, picture: string) => process.stderr.write(`${candidate}: ${picture}\n`);
  const results: SemanticResult[] = [];
  try {
    for (const candidate of candidates) {
      results.push(await evaluateSemantic(candidate, { scenes, truth, network, signal: stop.signal, onPicture }));
    }
  } finally {
    await network?.release();
  }
  return results;
}

interface TruthOptions {
  annotations?: string;
  panoptic?: string;
  'panoptic-masks'?: string;
  'semantic-masks'?: string;
  'ignore-label': string;
}

async function readTruth(options: TruthOptions): Promise<GroundTruth> {
  const { annotations, panoptic } = options;
  const ignored = options['ignore-label'];
  if (!/^\d{1,5}$/.test(ignored)) throw usageError(`--ignore-label ${ignored}: it is a level from 0 to 65535.`);
  if (!annotations && !panoptic) {
    throw usageError('--annotations or --panoptic is needed: they know the pictures');
  }
  return {
    ignoredLabel: Number(ignored),
    ...(annotations && { instances: await readInstances(annotations) }),
    ...(panoptic && { panoptic: await readPanoptic(panoptic, options['panoptic-masks']) }),
    ...(options['semantic-masks'] && { labelsDirectory: options['semantic-masks'] }),
  };
}

interface CandidateOptions {
  restored: string[];
  predictions: string[];
  'panoptic-predictions': string[];
  'semantic-predictions': string[];
}

async function readCandidates(options: CandidateOptions, { instances }: GroundTruth): Promise<Candidate[]> {
  const candidates = new Map<string, Candidate>();
  const each = async (option: keyof CandidateOptions, read: (path: string) => Promise<Partial<Candidate>>) => {
    for (const entry of options[option]) {
      const equals = entry.indexOf('=');
      const path = entry.slice(equals + 1);
      const name = equals > 0 ? entry.slice(0, equals) : basename(resolve(path)).replace(/\.json$/, '');
      const known = candidates.get(name) ?? { name };
      const found = await read(path);
      if (Object.keys(found).some((key) => key in known))
        throw new AppError('invalid', `--${option} ${entry}: there are two of ${name}.`);
      candidates.set(name, { ...known, ...found });
    }
  };
  await each('restored', async (path) => ({ pictures: await findPictures(path) }));
  await each('predictions', async (path) => {
    if (!instances) throw new AppError('invalid', `--predictions ${path}: it needs --annotations.`);
    return { predictions: await readPredictions(path, instances) };
  });
  await each('panoptic-predictions', async (path) => ({ panoptic: await readPanopticPredictions(path) }));
  await each('semantic-predictions', async (path) => ({ labelsDirectory: path }));
  if (candidates.size === 0) throw usageError('nothing is to be measured: name pictures or predictions');
  return [...candidates.values()];
}

/** In the order of their ids. Throws AppError `invalid` where the two files are not of the same pictures. */
function scenesOf({ instances, panoptic }: GroundTruth): Scene[] {
  const [first, second] = [instances?.scenes ?? panoptic!.scenes, panoptic?.scenes ?? instances!.scenes];
  const others = new Map(second.map((scene) => [scene.id, scene]));
  for (const { id, name, width, height } of first) {
    const other = others.get(id);
    if (other?.name === name && other.width === width && other.height === height && first.length === second.length)
      continue;
    throw new AppError(
      'invalid',
      `--annotations and --panoptic are not of the same pictures: they differ in ${id} (${name}).`,
    );
  }
  return first;
}

/** Throws AppError `invalid` for pictures that are missing, or that nobody has annotated. */
function chooseScenes(scenes: Scene[], candidates: readonly Candidate[], subset: boolean): Scene[] {
  const known = new Set(scenes.map(({ name }) => name));
  let chosen = scenes;
  for (const { name, pictures } of candidates) {
    if (!pictures) continue;
    const strange = [...pictures.keys()].filter((picture) => !known.has(picture));
    if (strange.length > 0)
      throw new AppError('invalid', `${name} has pictures that are not annotated: ${list(strange)}.`);
    const missing = scenes.filter((scene) => !pictures.has(scene.name)).map((scene) => scene.name);
    if (missing.length > 0 && !subset) {
      throw new AppError(
        'invalid',
        `${name} lacks ${missing.length} of ${scenes.length} annotated pictures: ${list(missing)}. See --subset.`,
      );
    }
    chosen = chosen.filter((scene) => pictures.has(scene.name));
  }
  if (chosen.length === 0) throw new AppError('invalid', 'There is no picture that all have.');
  return chosen;
}

function list(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')}, …`;
}

runCommand({
  name: 'evaluate-semantic',
  usage: ['--restored NAME=DIR --annotations FILE --model FILE.onnx --out DIR [options]'],
  about: `
Measures how well a detector or segmenter understands restored pictures: average precision of boxes and masks (COCO), panoptic
quality, mean intersection over union. It needs a ground truth and pictures or predictions; NAME (default: that of the folder
or file) makes the rows. docs/semantic.md describes the files.`,
  options: OPTIONS,
  run: evaluateRestored,
});
