import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';

/** One resource as Pulumi would be asked for it, its inputs plain values. */
export interface Resource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** URNs. */
  dependsOn: string[];
  retained: boolean;
}

interface Pulumi {
  output(value: unknown): unknown;
  runtime: {
    setMocks(mocks: Mocks, project: string, stack: string, preview: boolean): void;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
  };
}

interface Mocks {
  newResource(resource: { type: string; name: string; inputs: Record<string, unknown> }): {
    id: string;
    state: Record<string, unknown>;
  };
  call(invocation: { token: string; inputs: Record<string, unknown> }): Record<string, unknown>;
}

interface Registration {
  getType(): string;
  getName(): string;
  getDependenciesList(): string[];
  getRetainondelete(): boolean;
}

interface Monitor {
  prototype: { registerResource(request: Registration, callback: unknown): unknown };
}

interface Config {
  app(input: { stage: string }): { name: string; removal: string; protect: boolean };
  run(): Promise<Record<string, unknown>>;
}

export const ORIGIN_SECRET = 'known to the distribution and the API';
const ROOT = process.cwd();
const PLATFORM = join(ROOT, '.sst/platform');
const ACCOUNT = '123456789012';
const REGION = 'us-east-1';
/** Pulumi's mark of a secret, whose value is beside it. */
const SECRET_MARK = '4dabf18193072939515e22adb298388d';
/** Five seconds: bundles are made in between, on a machine that may be busy. */
const QUIET_LOOKS = 100;
const LOOK_MILLISECONDS = 50;

/**
 * Runs sst.config.ts with the components of SST, and mocks only of the other side of Pulumi: AWS and the CLI.
 * Once in a process: both programs keep state.
 */
export async function evaluate(stage: string, environment: Record<string, string>): Promise<Resource[]> {
  const server = await startCli();
  Object.assign(process.env, environment, {
    SST_SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    SST_SECRET_SigningKey: JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
    SST_SECRET_OriginSecret: ORIGIN_SECRET,
  });
  const resources: Resource[] = [];
  const pulumi = await load<Pulumi>('node_modules/@pulumi/pulumi/index.js');
  pulumi.runtime.setMocks(createMocks(resources), 'seesr-cloud', stage, false);
  const options = await watchOptions();
  await setGlobals(stage);
  const config = await loadConfig();
  const { name, removal, protect } = config.app({ stage });
  Object.assign(globalThis, { $app: { name, stage, removal, protect, providers: { aws: { region: REGION } } } });
  const { run } = await load<{ run(program: Config['run']): Promise<unknown> }>('src/auto/run.ts');
  await pulumi.runtime.runInPulumiStack(() => run(config.run));
  await untilQuiet(resources);
  server.close();
  return resources.map((resource) => ({ ...resource, ...options.get(`${resource.type} ${resource.name}`) }));
}

/** After `evaluate`, as the file is no program without the globals of SST. */
export async function loadConfig(): Promise<Config> {
  const { default: config } = (await import(join(ROOT, 'sst.config.ts'))) as { default: Config };
  return config;
}

function load<Module>(path: string): Promise<Module> {
  return import(join(PLATFORM, path)) as Promise<Module>;
}

/** Answers the program in the place of `sst deploy`, which starts it. The program itself bundles the functions. */
async function startCli(): Promise<Server> {
  const answers: Record<string, (argument: Record<string, string>) => object> = {
    'Provider.Aws.Bootstrap': () => ({
      asset: 'assets',
      assetEcrUrl: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/assets`,
      assetEcrRegistryId: ACCOUNT,
    }),
    'Runtime.Build': ({ bundle, handler }) => ({ handler, out: bundle, errors: [], sourcemaps: [] }),
  };
  const server = createServer(async (request, response) => {
    const { method, params } = (await json(request)) as { method: string; params: [Record<string, string>] };
    response.end(JSON.stringify({ result: answers[method]?.(params[0]) ?? {} }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function setGlobals(stage: string): Promise<void> {
  Object.assign(globalThis, {
    $app: { name: 'seesr-cloud', stage, removal: 'remove', protect: false, providers: { aws: { region: REGION } } },
    $dev: false,
    $cli: {
      command: 'deploy',
      state: { version: {} },
      paths: { root: ROOT, work: join(ROOT, '.sst'), platform: PLATFORM, home: ROOT },
    },
    aws: await load('node_modules/@pulumi/aws/index.js'),
  });
  Object.assign(globalThis, await load<object>('src/shim/run.js'));
  Object.assign(globalThis, { sst: await load('src/components/index.ts') });
}

function createMocks(resources: Resource[]): Mocks {
  return {
    newResource({ type, name, inputs }) {
      resources.push({ type, name, inputs: plain(inputs) as Resource['inputs'], dependsOn: [], retained: false });
      const named = String(inputs.name ?? name);
      const state = {
        ...inputs,
        name: named,
        arn: `arn:${name}`,
        url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${name}`,
        bucket: inputs.bucket ?? name.toLowerCase(),
        bucketRegionalDomainName: `${name.toLowerCase()}.s3.${REGION}.amazonaws.com`,
        functionUrl: 'https://function.lambda-url.test/',
        domainName: 'd111.cloudfront.net',
        streamArn: `arn:${name}/stream/1`,
        base64: 'a2V5',
        result: '00ff',
        digest: 'sha256:0',
      };
      return { id: `${name}-id`, state };
    },
    call: ({ token, inputs }) => ANSWERS[token]?.(inputs) ?? inputs,
  };
}

const ANSWERS: Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>> = {
  'aws:index/getRegion:getRegion': () => ({ region: REGION, name: REGION, id: REGION }),
  'aws:index/getPartition:getPartition': () => ({ partition: 'aws' }),
  'aws:index/getCallerIdentity:getCallerIdentity': () => ({ accountId: ACCOUNT }),
  'aws:index/getAvailabilityZones:getAvailabilityZones': () => ({ names: [`${REGION}a`, `${REGION}b`] }),
  'aws:ssm/getParameter:getParameter': () => ({ value: 'ami-0123456789abcdef0' }),
  'aws:iam/getPolicyDocument:getPolicyDocument': ({ statements }) => ({
    json: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    statements,
  }),
};

/** By type and name: the mocks are not told. */
async function watchOptions(): Promise<Map<string, Pick<Resource, 'dependsOn' | 'retained'>>> {
  const options = new Map<string, Pick<Resource, 'dependsOn' | 'retained'>>();
  const { MockMonitor } = await load<{ MockMonitor: Monitor }>('node_modules/@pulumi/pulumi/runtime/mocks.js');
  const { registerResource } = MockMonitor.prototype;
  MockMonitor.prototype.registerResource = function (request, callback) {
    const key = `${request.getType()} ${request.getName()}`;
    options.set(key, { dependsOn: request.getDependenciesList(), retained: request.getRetainondelete() });
    return registerResource.call(this, request, callback);
  };
  return options;
}

/**
 * Resources made of other resources' outputs come a little later, and nobody says which is the last. Looks are counted,
 * not time, which also passes while bundling keeps this process from going on.
 */
async function untilQuiet(resources: readonly Resource[]): Promise<void> {
  let seen = -1;
  for (let looks = 0; looks < QUIET_LOOKS; looks++) {
    if (seen !== resources.length || isReading()) looks = 0;
    seen = resources.length;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
  }
}

/** Of this process: files are being read or written. */
function isReading(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if (SECRET_MARK in value) return plain((value as { value?: unknown }).value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
