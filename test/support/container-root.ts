import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const DOCKERFILE = join(REPOSITORY, 'gpu-worker/Dockerfile');

export interface Container {
  /** The `WORKDIR`. */
  directory: string;
  environment: Record<string, string>;
  command: string[];
  healthCheck: string[];
}

/**
 * The container's files as its Dockerfile copies them, in `directory`; instead of installing, the packages that the lock
 * file has for production are linked. What the last stage says about running is returned. Runs no `RUN`.
 */
export async function assembleContainer(directory: string): Promise<Container> {
  const instructions = parseInstructions(await readFile(DOCKERFILE, 'utf8'));
  for (const { name, rest } of instructions) {
    if (name !== 'COPY' || rest.startsWith('--from')) continue;
    const paths = rest.split(/\s+/);
    const target = join(directory, paths.pop()!);
    for (const path of paths) {
      const to = paths.length > 1 || rest.endsWith('/') ? join(target, path) : target;
      await cp(join(REPOSITORY, path), to, { recursive: true });
    }
  }
  await linkProductionPackages(directory);
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
  const get = (wanted: string) => last.find(({ name }) => name === wanted)!.rest;
  const environment = [...get('ENV').matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!] as const);
  return {
    directory,
    environment: Object.fromEntries(environment),
    command: JSON.parse(get('CMD')),
    healthCheck: JSON.parse(/CMD (\[.*\])/.exec(get('HEALTHCHECK'))![1]!),
  };
}

/** Without comments, with lines that go on joined. */
export function parseInstructions(text: string): { name: string; rest: string }[] {
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
