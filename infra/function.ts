import { execFileSync } from 'node:child_process';
import { inlinePolicies, type Statement, storesEnvironment } from './access.ts';
import type { FunctionName } from './function-bundle.ts';
import { functionLogs } from './logs.ts';
import { serviceEnvironment, settings } from './settings.ts';

const NAMES: FunctionName[] = ['api', 'arrive', 'notify', 'reap', 'scale'];
const bundles = bundleAll();

interface Options {
  statements: Statement[];
  timeoutSeconds: number;
  /** As many at once as nobody else can take from it, and no more. Default: as many as the others leave. */
  reserved?: number;
  environment?: Record<string, $util.Input<string>>;
  url?: sst.aws.FunctionArgs['url'];
}

/** `functions/NAME/main.ts` as a Lambda function, called `title` here. */
export function createFunction(
  title: keyof typeof functionLogs,
  name: FunctionName,
  { statements, timeoutSeconds, reserved, environment, url }: Options,
): sst.aws.Function {
  const logGroup = functionLogs[title];
  const writeLog = {
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [$interpolate`${logGroup.arn}:*`],
  };
  return new sst.aws.Function(title, {
    bundle: bundles[name],
    handler: 'index.handler',
    runtime: 'nodejs24.x',
    architecture: 'arm64',
    memory: '1024 MB',
    timeout: `${timeoutSeconds} seconds`,
    environment: { ...serviceEnvironment, ...storesEnvironment, ...environment },
    // Every line is JSON already; Lambda's own format would wrap it, and hide the metrics in it.
    logging: { logGroup: logGroup.name, format: 'text' },
    ...(url !== undefined && { url, streaming: true }),
    ...(settings.reservesConcurrency && reserved !== undefined && { concurrency: { reserved } }),
    transform: {
      role: (args) => {
        args.managedPolicyArns = []; // they would let it write into every log
        args.inlinePolicies = inlinePolicies([...statements, writeLog]);
      },
    },
  });
}

/** In a process of its own: SST puts this program together elsewhere, and would use another esbuild. */
function bundleAll(): Record<FunctionName, string> {
  const module = JSON.stringify(`${$cli.paths.root}/infra/function-bundle.ts`);
  const output = JSON.stringify(`${$cli.paths.root}/.sst-bundles/${$app.stage}`);
  const program = `
    const { bundleFunction } = await import(${module});
    const bundled = ${JSON.stringify(NAMES)}.map(async (name) => [name, await bundleFunction(name, ${output})]);
    process.stdout.write(JSON.stringify(Object.fromEntries(await Promise.all(bundled))));`;
  return JSON.parse(execFileSync('node', ['--input-type=module', '--eval', program], { encoding: 'utf8' }));
}
