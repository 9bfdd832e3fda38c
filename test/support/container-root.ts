import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const DOCKERFILE = join(REPOSITORY, 'Dockerfile');

interface Instruction {
  name: string;
  rest: string;
}

export interface Container {
  /** The `WORKDIR`. */
  directory: string;
  environment: Record<string, string>;
  command: string[];
  healthCheck: string[];
}

/**
 * The container's files as its Dockerfile copies them for the stage `target`, in `directory`; instead of installing,
 * the packages that the lock file has for production are linked. Returns the settings of the stages for running. Runs
 * no `RUN`.
 */
export async function assembleContainer(directory: string, target: string): Promise<Container> {
  const stages = parseStages(await readFile(DOCKERFILE, 'utf8'));
  const own = lineage(stages, target);
  const from = own.flatMap(({ rest }) => /^--from=(\S+)/.exec(rest)?.[1] ?? []);
  for (const { name, rest } of [...from.flatMap((stage) => lineage(stages, stage)), ...own]) {
    if (name !== 'COPY' || rest.startsWith('--from')) continue;
    const paths = rest.split(/\s+/);
    const target = join(directory, paths.pop()!);
    for (const path of paths) {
      const to = paths.length > 1 || rest.endsWith('/') ? join(target, path) : target;
      await cp(join(REPOSITORY, path), to, { recursive: true });
    }
  }
  await linkProductionPackages(directory);
  const get = (wanted: string) => own.findLast(({ name }) => name === wanted)!.rest;
  const environment = own
    .filter(({ name }) => name === 'ENV')
    .flatMap(({ rest }) => [...rest.matchAll(/(\w+)=(\S+)/g)]);
  return {
    directory,
    environment: Object.fromEntries(environment.map(([, name, value]) => [name!, value!])),
    command: JSON.parse(get('CMD')),
    healthCheck: JSON.parse(/CMD (\[.*\])/.exec(get('HEALTHCHECK'))![1]!),
  };
}

/** By name; those before the first `FROM` are left out. */
function parseStages(text: string): Map<string, Instruction[]> {
  const stages = new Map<string, Instruction[]>();
  for (const instruction of parseInstructions(text)) {
    const name = instruction.name === 'FROM' && / AS (\S+)$/.exec(instruction.rest)![1]!;
    if (name) stages.set(name, []);
    [...stages.values()].at(-1)?.push(instruction);
  }
  return stages;
}

/** The instructions of a stage, those of the stages that it rests on first. */
function lineage(stages: Map<string, Instruction[]>, name: string): Instruction[] {
  const own = stages.get(name);
  if (!own) return []; // an image of others
  return [...lineage(stages, own[0]!.rest.split(' ')[0]!), ...own];
}

/** Without comments, with lines that go on joined. */
export function parseInstructions(text: string): Instruction[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n');
  return lines.filter(Boolean).map((line) => {
    const [name, ...rest] = line.split(' ');
    return { name: name!, rest: rest.join(' ').trim() };
  });
}

async function linkProductionPackages(directory: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(directory, 'package-lock.json'), 'utf8'));
  const packages = Object.entries(lock.packages as Record<string, { dev?: boolean }>);
  for (const [path, { dev }] of packages) {
    if (dev || !/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path)) continue;
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await symlink(join(REPOSITORY, path), join(directory, path));
  }
}
