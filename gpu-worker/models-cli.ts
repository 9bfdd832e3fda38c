import { dirname, resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { z } from 'zod';
import { notACommand, runCommand, usageError } from '../shared/adapters/node/command.ts';
import type { Options, Values } from '../shared/adapters/node/command-line.ts';
import { forbidsCommercialUse, licenseInWords } from '../shared/commercial-use.ts';
import { readVariables } from '../shared/configuration.ts';
import { isShipped, METHOD_IDS, methodOf } from '../shared/methods/registry.ts';
import type { MethodEngine } from './methods/engine.ts';
import { engineOf } from './methods/engines.ts';
import { planAdded } from './methods/plan-added.ts';
import { describeAdded } from './model-store/added.ts';
import { listModels } from './model-store/added-models.ts';
import { buildModel } from './model-store/build.ts';
import type { BuildPlan, Dtype } from './model-store/build-plan.ts';
import { listAdded } from './model-store/installed.ts';
import { removeModel } from './model-store/remove-model.ts';
import { describeModels, verifyModels } from './model-store/verify.ts';
import { DEVICE_NAMES, DEVICES, type Device } from './runtime/devices.ts';

type Build = NonNullable<MethodEngine['build']>;

/** Of every method that is built from published files. */
async function readBuilds(): Promise<ReadonlyMap<string, Build>> {
  const builds = new Map<string, Build>();
  for (const id of METHOD_IDS) {
    const { build } = await engineOf(id);
    if (build) builds.set(id, build);
  }
  return builds;
}

/** `build ID --source DIR …`, a line for each of them; of the first version its option may be left out. */
function usageOf(builds: ReadonlyMap<string, Build>): string[] {
  return [...builds].map(([id, { sources, version }]) => {
    const options = sources.map(({ option, kind, isOptional }) => {
      return isOptional ? `[--${option} ${kind}]` : `--${option} ${kind}`;
    });
    const named = version && `--version ${version.name}`;
    const model = named ? `${version.of} ${version.of === id ? `[${named}]` : named}` : id;
    return `build ${model} ${options.join(' ')} [options]`;
  });
}

function sourceOptions(builds: ReadonlyMap<string, Build>): Record<string, { value: string; about: string }> {
  const sources = [...builds.values()].flatMap((build) => build.sources);
  return Object.fromEntries(sources.map(({ option, kind, about }) => [option, { value: kind, about }]));
}

const builds = await readBuilds();
const DTYPES = Object.entries(DEVICES)
  .map(([device, facts]) => `${facts.defaultDtype} for ${device}`)
  .join(', ');
const OPTIONS = {
  ...sourceOptions(builds),
  version: {
    value: 'VERSION',
    about: 'of build, of a method that has several; each is a model of its own (default: the first)',
  },
  weights: { value: 'FILE', about: 'of add: .pth, .ckpt, .pt or .safetensors, as it was published' },
  license: {
    value: 'LICENSE',
    about: 'of add: that of the weights, best its SPDX id: CC-BY-NC-SA-4.0; "none" where the author named none',
  },
  title: { value: 'TEXT', about: 'of add: the name for people (default: NAME)' },
  dtype: { value: 'fp32 | fp16', about: `precision of the stored weights (default: ${DTYPES})` },
  device: {
    value: DEVICE_NAMES.join(' | '),
    about: 'the device that the model is built for; a GPU computes in fp16 if the weights are stored so',
    default: 'cpu',
  },
  models: { value: 'DIR', about: 'where built models are (default: MODELS_DIR, else models)' },
  force: { about: 'replace the model that is there' },
  json: { about: 'print JSON, for scripts' },
} as const satisfies Options;
/** The sources of a method are options, too. */
type Given = Values<typeof OPTIONS> & Readonly<Record<string, string | boolean | undefined>>;

const environmentSchema = z.object({ MODELS_DIR: z.string().default('models') });

async function models(values: Given, words: string[]): Promise<void> {
  const { MODELS_DIR } = readVariables(environmentSchema, process.env, {
    warn: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  const [command, model, ...rest] = words;
  const modelsDirectory = resolve(values.models ?? MODELS_DIR);
  if (command === 'build' && model !== undefined && rest.length === 0) await build(model, values, modelsDirectory);
  else if (command === 'add' && model !== undefined && rest.length === 0) await add(model, values, modelsDirectory);
  else if (command === 'remove' && model !== undefined && rest.length === 0) await remove(modelsDirectory, model);
  else if (command === 'list' && model === undefined) await list(modelsDirectory, values.json);
  else if (command === 'facts' && model !== undefined) await facts(modelsDirectory, [model, ...rest]);
  else if (command === 'verify' && rest.length === 0) await verify(modelsDirectory, model);
  else throw notACommand('models', words);
}

async function build(id: string, values: Given, modelsDirectory: string): Promise<void> {
  const model = versionOf(oneOf('The model', id, [...builds.keys()]), values.version);
  const { sources, plan: planBuild } = builds.get(model)!;
  for (const [other, build] of builds) {
    const foreign = build.sources.find(({ option }) => values[option] && !sources.some((own) => own.option === option));
    if (foreign) throw usageError(`--${foreign.option} is for the model ${other}.`);
  }
  const paths = sources.map(({ option, isOptional }) => {
    const path = isOptional ? values[option] : neededText(values, option, `to build ${model}`);
    return [option, typeof path === 'string' ? resolve(path) : undefined] as const;
  });
  await using plan = await planBuild(Object.fromEntries(paths), target(values));
  await write(plan, values, modelsDirectory);
  print(`${model} is installed in ${modelsDirectory}. Whose weights it holds: ${model}/LICENSES.md.`);
  warnOfLicense(methodOf({ model }).license);
}

/** The model that is a version of a method. */
function versionOf(model: string, wanted: string | undefined): string {
  if (wanted === undefined) return model;
  const versions = [...builds].flatMap(([id, { version }]) =>
    version?.of === model ? [{ id, name: version.name }] : [],
  );
  if (versions.length === 0) throw usageError(`--version ${wanted}: ${model} has no versions.`);
  const name = oneOf(
    '--version',
    wanted,
    versions.map((version) => version.name),
  );
  return versions.find((version) => version.name === name)!.id;
}

function warnOfLicense(license: string): void {
  if (forbidsCommercialUse(license)) print('Its license forbids commercial use: offer it to nobody for money.');
}

async function add(name: string, values: Given, modelsDirectory: string): Promise<void> {
  const [weights, license] = ['weights', 'license'].map((option) => neededText(values, option, `to add ${name}`));
  const title = typeof values.title === 'string' ? values.title : name;
  const path = resolve(weights!);
  await using plan = await planAdded({ name, path, title, license: license!, ...target(values) });
  await write(plan, values, modelsDirectory);
  print(`${name} is installed in ${modelsDirectory}: ${describeAdded(plan.added!)}.`);
  warnOfLicense(license!);
  print('A service that runs offers it after its next start.');
}

async function remove(modelsDirectory: string, model: string): Promise<void> {
  const removable = [...METHOD_IDS.filter((id) => !isShipped(id)), ...(await listAdded(modelsDirectory))];
  await removeModel(modelsDirectory, oneOf('The model', model, removable));
  print(`${model} is no longer in ${modelsDirectory}.`);
}

async function facts(modelsDirectory: string, names: readonly string[]): Promise<void> {
  const added = (await listModels(modelsDirectory)).filter(({ model_facts: found }) => found !== undefined);
  const ids = added.map(({ model }) => model);
  const wanted = names.map((name) => oneOf('The model', name, ids));
  print(JSON.stringify(Object.fromEntries(wanted.map((name) => [name, added[ids.indexOf(name)]!.model_facts]))));
}

function neededText(values: Given, option: string, purpose: string): string {
  const found = values[option];
  if (typeof found !== 'string') throw usageError(`--${option} is needed ${purpose}.`);
  return found;
}

/** The precision and device of a build. */
function target(values: Given): { dtype: Dtype; device: Device } {
  const device = oneOf('--device', values.device, DEVICE_NAMES);
  const dtype = oneOf('--dtype', values.dtype ?? DEVICES[device].defaultDtype, ['fp32', 'fp16']);
  return { dtype, device };
}

async function write(plan: BuildPlan, values: Given, modelsDirectory: string): Promise<void> {
  const format = '[{bar}] {percentage}% | {step}';
  const bar = new SingleBar({ format, noTTYOutput: true, notTTYSchedule: 2_000 });
  bar.start(100, 0, { step: 'starting' });
  try {
    await buildModel(plan, {
      modelsDirectory,
      force: values.force === true,
      onProgress: ({ step, bytes, totalBytes }) => bar.update(Math.floor((100 * bytes) / totalBytes), { step }),
    });
  } finally {
    bar.stop();
  }
}

async function list(modelsDirectory: string, json: boolean): Promise<void> {
  const models = await describeModels(modelsDirectory);
  if (json) return print(JSON.stringify(models));
  const lines = models.flatMap(({ id, state, bytes, dtype, device, from, added, license, problem }) => {
    const size = bytes === undefined ? '' : `${(bytes / 1e6).toFixed(1)} MB, ${dtype}, ${device}`;
    const folders = [...new Set(from.map(dirname))].map((folder) => `${' '.repeat(19)}from ${folder}`);
    const words = added ? describeAdded(added) : license && licenseInWords(license);
    const about = words ? [`${' '.repeat(19)}${words}`] : [];
    return [[id.padEnd(18), state.padEnd(10), problem ?? size].join(' ').trimEnd(), ...about, ...folders];
  });
  print(lines.join('\n'));
}

async function verify(modelsDirectory: string, id: string | undefined): Promise<void> {
  const described = await describeModels(modelsDirectory);
  const all = described.map((model) => model.id);
  const models = id === undefined ? all : [oneOf('The model', id, all)];
  const { checked, problems } = await verifyModels(modelsDirectory, models, id !== undefined);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  for (const { id: model, name } of described.filter((model) => checked.includes(model.id)))
    print(`${model} (${name}): every file is as it should be.`);
  if (problems.length > 0) process.exitCode = 1;
}

function oneOf<Choice extends string>(what: string, value: unknown, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw usageError(`${what} is ${value}; it must be ${choices.join(' or ')}.`);
  return found;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

runCommand({
  name: 'models',
  usage: [
    ...usageOf(builds),
    'add NAME --weights FILE --license LICENSE [--title TEXT] [options]',
    'list [--json]',
    'facts NAME...',
    'verify [MODEL]',
    'remove MODEL',
  ],
  about: `
build: makes a model from the published files. A build that was interrupted goes on where it was.
add: takes a model of another author, ESRGAN (RRDBNet) or compact (SRVGGNetCompact), of any size and scale; its tensors tell
    the architecture.
facts: those of added models, for MODEL_FACTS of a deployment on AWS.
No Python is needed, and nothing in the files is executed.`,
  options: OPTIONS,
  takesWords: true,
  run: models,
});
