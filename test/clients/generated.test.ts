import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  installKotlin,
  installOpenApiGenerator,
  installPythonGenerator,
  installTypeScriptGenerator,
} from '../support/client-generators.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';

/** Clients generated from the document: they compile, and take a photo its whole way through a real service. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('programs', import.meta.url));
const DOG = join(ROOT, 'local/demo-photo/dog.jpg');
/** More than 32 bits hold. */
const TOP_UP = 5_000_000_000;

let directory: string;
let document: string;
let service: ServiceProcess;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-generated-'));
  service = await startServiceProcess(join(directory, 'data'), { PRICES: 'standard' });
  const env = { ...process.env, DATA_DIR: join(directory, 'data') };
  await promisify(execFile)(process.execPath, [join(ROOT, 'local/accounts.ts'), 'top-up', String(TOP_UP)], { env });
  document = join(directory, 'openapi.json');
  await writeFile(document, await (await fetch(`${service.url}/openapi.json`)).text());
});
afterAll(async () => {
  await service?.kill('SIGTERM');
  await rm(directory, { recursive: true, force: true });
});

const folderOf = async (language: string) => {
  const folder = join(directory, language);
  await mkdir(folder);
  return folder;
};

/** Standard output. A failure tells the output of the program. */
async function run(command: string, given: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const env = { ...process.env, ...options.env };
  const running = promisify(execFile)(command, given, { ...options, env, maxBuffer: 2 ** 26 });
  const { stdout } = await running.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => {
    throw new Error(`${command} ${given[0]}: ${(stdout + stderr).slice(-4000)}`);
  });
  return stdout;
}

/** Of all programs alike. `balance`: before the job, of which others may have had some. */
function expectWholeWay(output: string): void {
  const { balance, reserved, charged, ...outcome } = JSON.parse(output);
  expect(outcome).toEqual({ status: 'succeeded', seed: 4_294_967_295, isWhole: true, problem: 'not-found' });
  expect(balance).toBeGreaterThan(2 ** 32);
  expect(balance).toBeLessThanOrEqual(TOP_UP);
  expect(charged).toBeGreaterThanOrEqual(1000);
  expect(reserved).toBe(charged);
}

const arguments_ = () => [service.url, service.firstKey!, DOG];

test.concurrent('TypeScript (openapi-typescript, openapi-fetch)', async () => {
  const [folder, installed] = await Promise.all([folderOf('typescript'), installTypeScriptGenerator()]);
  await symlink(join(installed, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await copyFile(join(PROGRAMS, 'flow.ts'), join(folder, 'flow.ts'));
  const program = (name: string) => join(folder, 'node_modules', name);
  await run(process.execPath, [program('openapi-typescript/bin/cli.js'), document, '-o', join(folder, 'schema.d.ts')]);
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck'];
  const modules = ['--module', 'nodenext', '--target', 'es2024', '--allowImportingTsExtensions', '--noEmit'];
  await run(process.execPath, [program('typescript/bin/tsc'), ...strict, ...modules, 'flow.ts'], { cwd: folder });
  expectWholeWay(await run(process.execPath, [join(folder, 'flow.ts'), ...arguments_()]));
});

test.concurrent('Python (openapi-python-client)', async () => {
  const [folder, installed] = await Promise.all([folderOf('python'), installPythonGenerator()]);
  const env = {
    PYTHONPATH: `${installed}${delimiter}${folder}`,
    PATH: `${installed}/bin${delimiter}${process.env.PATH}`,
  };
  const options = ['--path', document, '--output-path', join(folder, 'client'), '--meta', 'none', '--fail-on-warning'];
  await run('python3', ['-m', 'openapi_python_client', 'generate', ...options], { env });
  expectWholeWay(await run('python3', [join(PROGRAMS, 'flow.py'), ...arguments_()], { env }));
});

const generate = async (generator: string, folder: string, ...properties: string[]) => {
  const jar = await installOpenApiGenerator();
  const options = ['-i', document, '-g', generator, '-o', folder, `--additional-properties=${properties.join(',')}`];
  return run('java', ['-Xmx1g', '-XX:TieredStopAtLevel=1', '-jar', jar, 'generate', ...options]);
};

test.concurrent('Kotlin (openapi-generator)', async () => {
  const [folder, { compiler, libraries }] = await Promise.all([folderOf('kotlin'), installKotlin()]);
  await generate('kotlin', folder, 'library=jvm-okhttp4', 'serializationLibrary=jackson');
  const jars = (await readdir(libraries)).filter((name) => name.endsWith('.jar')).map((name) => join(libraries, name));
  const classPath = jars.join(delimiter);
  const classes = join(folder, 'classes');
  const java = ['-Xmx1g', '-XX:TieredStopAtLevel=1'];
  const options = ['-no-stdlib', '-no-reflect', '-nowarn', '-classpath', classPath, '-d', classes];
  const sources = [join(folder, 'src/main/kotlin'), join(PROGRAMS, 'Flow.kt')];
  const main = 'org.jetbrains.kotlin.cli.jvm.K2JVMCompiler';
  await run('java', [...java, '-classpath', `${compiler}/*`, main, ...options, ...sources]);
  const path = [classes, classPath].join(delimiter);
  expectWholeWay(await run('java', [...java, '-classpath', path, 'FlowKt', ...arguments_()]));
});

test.concurrent('Swift (openapi-generator)', async () => {
  const folder = await folderOf('swift');
  await generate('swift5', folder, 'useJsonEncodable=false');
  const read = (path: string) => readFile(join(folder, 'OpenAPIClient/Classes/OpenAPIs', path), 'utf8');
  const job = await read('Models/Job.swift');
  expect(job).toMatch(/public var charge: Charge\n/);
  expect(job).toMatch(/public var test: Bool\?/);
  expect(await read('Models/Balance.swift')).toMatch(/public var balance: Int64\n/);
  const jobs = await read('APIs/JobsAPI.swift');
  expect(jobs).toMatch(/func createJob\(createJobRequest: CreateJobRequest, /);
  // A file, and no JSON.
  expect(jobs).toMatch(/func getJobOutput\([^)]*completion: @escaping \(\(_ data: URL\?/);
  expect(jobs).toMatch(/func getJobOutputLink\([^)]*completion: @escaping \(\(_ data: OutputLink\?/);
});
