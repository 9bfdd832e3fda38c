import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, install, run, startServer } from './aws-servers.ts';
import { eventOf, type LambdaRequest } from './lambda.ts';

const EMULATOR = 'v0.0.0-20261030222936-bef5c4ba774d'; // Apache-2.0, Go
const CLIENT = 'aws-lambda-ric@4.0.2'; // Apache-2.0, npm
const STORE = '@aws/lambda-invoke-store@0.2.2'; // Apache-2.0, npm; the only package that the client asks for
const NATIVE = fileURLToPath(new URL('./rapid-client.cjs', import.meta.url));
/** Between the metadata of an answer and its body. */
const DELIMITER = Buffer.alloc(8);

interface FunctionOptions {
  /** The folder of the bundle. */
  directory: string;
  /** `index.handler` */
  handler: string;
  timeoutSeconds: number;
  /** It has no other variables but those of Lambda itself. */
  environment: Record<string, string>;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export type LambdaFunction = Awaited<ReturnType<typeof startFunction>>;

/** Before all suites (`globalSetup`). */
export async function setup(): Promise<void> {
  await installLambda();
}

/**
 * A function as Lambda runs it: in the emulator of the service that AWS publishes, by the client of its interface that is
 * in AWS's own Node runtime.
 */
export async function startFunction({ directory, handler, timeoutSeconds, environment }: FunctionOptions) {
  const folder = await installLambda();
  const runtimePort = await freePort();
  const variables = {
    PATH: process.env.PATH ?? '',
    LAMBDA_TASK_ROOT: directory,
    AWS_LAMBDA_FUNCTION_TIMEOUT: String(timeoutSeconds),
    ...environment,
  };
  const { endpoint, close } = await startServer((port) => ({
    command: 'env',
    args: [
      '--ignore-environment',
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      join(folder, 'aws-lambda-rie'),
      ...['--runtime-interface-emulator-address', `127.0.0.1:${port}`],
      ...['--runtime-api-address', `127.0.0.1:${runtimePort}`],
      ...[process.execPath, join(folder, 'node_modules/aws-lambda-ric/index.mjs'), handler],
    ],
  }));

  async function send(event: unknown): Promise<Buffer> {
    const url = `${endpoint}/2015-03-31/functions/function/invocations`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
    const answer = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(`The function has failed: ${response.status} ${answer.toString()}`);
    return answer;
  }

  return {
    /** As other services of AWS do. Throws the error of the function, or that it took too long. */
    async invoke(event: unknown): Promise<void> {
      const answer = (await send(event)).toString();
      if (answer !== '' && answer !== 'null') throw new Error(answer);
    },
    /** As the URL of a function that streams does (payload format 2.0). */
    async call(request: LambdaRequest): Promise<Answer> {
      const answer = await send(eventOf(request));
      const end = answer.indexOf(DELIMITER);
      if (end < 0) throw new Error(`No status and headers came: ${answer.toString()}`);
      const { statusCode, headers } = JSON.parse(answer.subarray(0, end).toString());
      return { status: statusCode, headers, body: answer.subarray(end + DELIMITER.length) };
    },
    close,
  };
}

function installLambda(): Promise<string> {
  return install(`lambda-${EMULATOR}-${CLIENT.replace('@', '-')}`, async (folder) => {
    const source = `github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie@${EMULATOR}`;
    await run('go', ['install', source], { GOBIN: folder });
    const options = ['--ignore-scripts', '--no-save', '--no-package-lock', '--omit=dev', '--no-audit', '--no-fund'];
    await run('npm', ['install', '--prefix', folder, ...options, CLIENT, STORE]);
    const native = join(folder, 'node_modules/aws-lambda-ric/rapid-client.node');
    await mkdir(native);
    await copyFile(NATIVE, join(native, 'index.cjs'));
    await writeFile(join(native, 'package.json'), JSON.stringify({ main: 'index.cjs' }));
  });
}
