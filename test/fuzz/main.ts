import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../shared/adapters/node/command.ts';
import { createTestClient } from '../support/client.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { schemathesisConfiguration } from './configuration.ts';
import { fillService } from './known.ts';

const SCHEMATHESIS = 'schemathesis==4.32.5';

/**
 * A run that revokes or rotates keys ends up locked out, and then finds nothing but 401: it comes last, with a key of
 * its own.
 */
const RUNS = [
  { name: 'everything but one key', filter: ['--exclude-path-regex', '^/v1/keys/'] },
  { name: 'keys', filter: ['--include-path-regex', '^/v1/keys'] },
];

/** Of each operation, beside those that the schema itself suggests. */
const EXAMPLES = { short: 8, long: 30 };

/** Fields that depend on each other, or on stored data, are more than a schema of JSON can say. */
const UNCHECKED = 'positive_data_acceptance';

interface Report {
  operations: { tested: number };
  test_cases: { generated: number };
  failures: { operation?: string }[];
  errors: { count: number }[];
}

async function fuzzService(long: boolean, summary: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-fuzz-'));
  try {
    const { passed, failed } = await fuzz(folder, long ? EXAMPLES.long : EXAMPLES.short).catch((error: unknown) => {
      console.error((error as Error).message);
      return { passed: 0, failed: 1 };
    });
    // As vitest writes them.
    const counts = { numPassedTests: passed, numFailedTests: failed, numTotalTests: passed + failed };
    if (summary !== undefined) await writeFile(summary, JSON.stringify(counts));
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fuzz(folder: string, examples: number): Promise<{ passed: number; failed: number }> {
  const schemathesis = await installSchemathesis(join(folder, 'python'));
  const service = await startServiceProcess(join(folder, 'data'), { LOG_LEVEL: 'error' });
  try {
    const firstKey = service.firstKey!;
    const second = createTestClient(service.url, firstKey).post<{ key: string }>('/v1/keys', { name: 'fuzz' });
    const keys = [firstKey, (await second).key];
    const known = await fillService(service.url, join(folder, 'data'), firstKey);
    let [passed, failed] = [0, 0];
    for (const [index, { name, filter }] of RUNS.entries()) {
      console.log(`\n# ${name}`);
      const reportPath = join(folder, `${index}.json`);
      // The second header would be the first one's rival: generated values of it hide all else behind a 400.
      const security = ['--generation-with-security-parameters', 'false'];
      await writeFile(join(folder, 'schemathesis.toml'), schemathesisConfiguration(known, keys[index]!));
      const checks = ['--checks', 'all', '--exclude-checks', UNCHECKED];
      const given = [
        ...checks,
        ...filter,
        '--generation-deterministic',
        '--max-examples',
        String(examples),
        '--no-color',
      ];
      const report = ['--report', 'json', '--report-json-path', reportPath];
      const source = `${service.url}/openapi.json`;
      const code = await run(
        schemathesis,
        ['run', source, ...security, ...given, '--continue-on-failure', ...report],
        folder,
      );
      const found = await readReport(reportPath);
      // A run that ended badly without a finding must not pass for a good one.
      const failures = code === 0 ? 0 : Math.max(1, found.failures);
      failed += failures;
      passed += Math.max(0, found.operations - failures);
    }
    const serverErrors = service.log.filter(({ level }) => level === 'error');
    for (const line of serverErrors) console.log(JSON.stringify(line));
    return { passed, failed };
  } finally {
    await service.kill('SIGTERM');
  }
}

/** Returns the path of the command. */
async function installSchemathesis(folder: string): Promise<string> {
  const hint = 'The fuzzer needs python3 with its venv module (Debian: python3-venv) and PyPI.';
  const environment = await run('python3', ['-m', 'venv', folder]).catch(() => 1);
  if (environment !== 0) throw new Error(`python3 could not make a virtual environment. ${hint}`);
  const install = ['install', '--quiet', '--disable-pip-version-check', SCHEMATHESIS];
  if ((await run(join(folder, 'bin', 'pip'), install)) !== 0) {
    throw new Error(`${SCHEMATHESIS} could not be installed. ${hint}`);
  }
  return join(folder, 'bin', 'schemathesis');
}

async function readReport(path: string): Promise<{ operations: number; failures: number }> {
  const report: Report = JSON.parse(await readFile(path, 'utf8'));
  const failures = report.failures.length + report.errors.reduce((sum, { count }) => sum + count, 0);
  return { operations: report.operations.tested, failures };
}

/** Resolves with the exit code. Rejects when there is no such program. */
async function run(program: string, given: string[], cwd?: string): Promise<number> {
  const child = spawn(program, given, { stdio: ['ignore', 'inherit', 'inherit'], ...(cwd !== undefined && { cwd }) });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

runCommand({
  name: 'fuzz',
  about: `
Starts the service and lets schemathesis (installed from PyPI into a folder that is removed again) send it requests that its
OpenAPI document allows, and others that it forbids. The same requests in every run.`,
  options: {
    long: { about: 'send more of them' },
    summary: { value: 'FILE', about: 'where the counts go, as JSON' },
  },
  run: ({ long, summary }) => fuzzService(long, summary),
});
