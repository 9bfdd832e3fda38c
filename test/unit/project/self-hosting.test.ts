import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KEEP_ALIVE_SECONDS } from '../../../local/http-server.ts';
import { PARTS } from '../../../shared/health.ts';
import { MAX_WAIT_SECONDS, UPLOAD_URL_SECONDS } from '../../../shared/limits.ts';

/** docs/self-hosting.md says of everything that is there what to do, and of nothing that is not. */

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const guide = read('docs/self-hosting.md');

function section(title: string): string {
  return guide.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
}

it('has a row for each word of /readyz', () => {
  const words = [...section('The words of readyz').matchAll(/^\| `([^`]+)` \|/gm)].map(([, word]) => word!);
  /** Of problems that name no part, with where they are said. */
  const sentences = {
    'The service stops.': 'functions/api/readiness.ts',
    'The storage of the service keeps … in reserve': 'local/storage-room.ts',
    'The storage of the service took no more bytes': 'shared/storage-room.ts',
  };
  expect(words.toSorted()).toEqual([...Object.keys(sentences), ...PARTS, 'engine …', 'model …'].toSorted());
  for (const [sentence, path] of Object.entries(sentences)) expect(read(path)).toContain(sentence.split(' …')[0]);
});

it('has proxies that close idle connections before the service does, and wait for requests that it gives time', () => {
  const seconds = (path: string, pattern: RegExp) => Number(pattern.exec(read(path))![1]);
  const idle: [string, RegExp][] = [
    ['box/nginx.conf', /keepalive_timeout (\d+)s/],
    ['box/Caddyfile', /keepalive (\d+)s/],
    ['box/traefik-routes.yaml', /idleConnTimeout: (\d+)s/],
  ];
  for (const [path, pattern] of idle) expect(seconds(path, pattern)).toBeLessThan(KEEP_ALIVE_SECONDS);
  expect(seconds('box/traefik.yaml', /readTimeout: (\d+)s/)).toBeGreaterThanOrEqual(UPLOAD_URL_SECONDS);
  expect(seconds('box/nginx.conf', /proxy_read_timeout (\d+)s/)).toBeGreaterThan(MAX_WAIT_SECONDS);
});

it('names only commands that there are', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...guide.matchAll(/(?:npm run|node --run) ([\w:-]+)/g)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

it('leads to files and sections that there are', () => {
  for (const [, link] of guide.matchAll(/\]\(([^)\s]+)\)/g)) {
    const [path = '', anchor] = link!.split('#');
    if (path) expect([link, existsSync(new URL(path, new URL('docs/', ROOT)))]).toEqual([link, true]);
    const text =
      path === '' ? guide : path.endsWith('.md') ? readFileSync(new URL(path, new URL('docs/', ROOT)), 'utf8') : '';
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
    if (anchor) expect(anchors).toContain(anchor);
  }
});
