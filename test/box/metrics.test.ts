import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServer } from '../support/aws-servers.ts';
import { needProgram } from '../support/need-program.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';

/** Alert rules and dashboard: each names existing metrics, and Prometheus takes it. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFile(join(ROOT, path), 'utf8');
const run = promisify(execFile);

let directory: string;
let service: ServiceProcess;
let key: string;
/** With those of histograms. */
let told: Set<string>;
beforeAll(async () => {
  await needProgram('promtool', 'prometheus');
  directory = await mkdtemp(join(tmpdir(), 'seesr-metrics-'));
  const data = join(directory, 'data');
  service = await startServiceProcess(data);
  const args = ['local/keys.ts', 'create', '--name', 'prometheus', '--scopes', 'metrics:read', '--json'];
  const { stdout } = await run(process.execPath, args, { cwd: ROOT, env: { ...process.env, DATA_DIR: data } });
  key = JSON.parse(stdout).key;
  const answer = await fetch(`${service.url}/metrics`, { headers: { Authorization: `Bearer ${key}` } });
  expect(answer.status).toBe(200);
  const kinds = [...(await answer.text()).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, kind]) => [name!, kind]);
  const parts = ['_bucket', '_sum', '_count'];
  told = new Set(kinds.flatMap(([name, kind]) => (kind === 'histogram' ? parts.map((part) => name + part) : [name!])));
});
afterAll(async () => {
  await service?.kill('SIGTERM');
  await rm(directory, { recursive: true, force: true });
});

const namesIn = (text: string) => [...new Set(text.match(/\bseesr_\w+/g))];

interface Panel {
  title: string;
  targets: { expr: string }[];
}

async function expressions(): Promise<string[]> {
  const { panels } = JSON.parse(await read('box/dashboard.json')) as { panels: Panel[] };
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

it('alerts and dashboard name metrics that there are, and the dashboard shows all', async () => {
  const alerts = namesIn(await read('box/alerts.yaml'));
  const shown = namesIn((await expressions()).join('\n'));
  expect([...alerts, ...shown].filter((name) => !told.has(name))).toEqual([]);
  expect(alerts.length).toBeGreaterThan(8);
  const family = (name: string) => name.replace(/_(bucket|sum|count)$/, '');
  expect([...new Set([...told].map(family))].sort()).toEqual([...new Set(shown.map(family))].sort());
});

it('the rules are valid, each fires where it should, and none at a service that works', async () => {
  expect((await run('promtool', ['check', 'rules', join(ROOT, 'box/alerts.yaml')])).stdout).toContain('SUCCESS');
  const tests = join(ROOT, 'test/box/alerts-test.yaml');
  expect((await run('promtool', ['test', 'rules', tests])).stdout).toContain('SUCCESS');
  const text = await read('test/box/alerts-test.yaml');
  for (const [, name] of (await read('box/alerts.yaml')).matchAll(/- alert: (\w+)/g)) {
    expect(text).toContain(`name: ${name} fires`);
    expect(text).toContain(`alertname: ${name}, exp_alerts: [] }`);
  }
});

it('every alert has a row that says what to do', async () => {
  const names = [...(await read('box/alerts.yaml')).matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const section = /## Alerts\n(.*?)\n## /s.exec(await read('docs/self-hosting.md'))![1]!;
  expect([...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)).toEqual(names);
});

it('the queries of the dashboard are PromQL', async () => {
  const rules = (await expressions()).map((expr, index) => ({
    record: `asked_${index}`,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'seesr-cloud'),
  }));
  for (const { expr } of rules) expect(expr).not.toContain('$');
  const path = join(directory, 'asked.yaml');
  await writeFile(path, JSON.stringify({ groups: [{ name: 'asked', rules }] }));
  expect((await run('promtool', ['check', 'rules', path])).stdout).toContain(`${rules.length} rules found`);
});

it('Prometheus gets the numbers as its file says, with a key that may do nothing else', async () => {
  const secret = join(directory, 'key');
  await writeFile(secret, key);
  await cp(join(ROOT, 'box/alerts.yaml'), join(directory, 'alerts.yaml'));
  const config = (await read('box/prometheus.yaml'))
    .replace('/etc/prometheus/seesr-cloud-key', secret)
    .replace('127.0.0.1:8787', new URL(service.url).host)
    .replace('scrape_interval: 15s', 'scrape_interval: 1s');
  await writeFile(join(directory, 'prometheus.yaml'), config);
  const prometheus = await startServer((port, data) => ({
    command: 'prometheus',
    args: [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  }));
  const ask = async (query: string) => {
    const answer = await fetch(`${prometheus.endpoint}/api/v1/query?query=${encodeURIComponent(query)}`);
    return ((await answer.json()) as { data?: { result: { value: [number, string] }[] } }).data?.result[0]?.value[1];
  };
  await expect.poll(() => ask('up{job="seesr-cloud"}')).toBe('1');
  expect(await ask('seesr_storage_full_total{job="seesr-cloud"}')).toBe('0');
  const rules = (await (await fetch(`${prometheus.endpoint}/api/v1/rules`)).json()) as { status: string };
  expect(JSON.stringify(rules)).not.toContain('"health":"err"');
  await prometheus.close();
  expect((await fetch(`${service.url}/v1/jobs`, { headers: { Authorization: `Bearer ${key}` } })).status).toBe(403);
});
