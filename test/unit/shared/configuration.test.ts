import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { createGuardedFetch } from '../../../shared/adapters/node/guarded-fetch.ts';
import { nearMiss } from '../../../shared/near-miss.ts';

/** Settings: each is read as it was meant, or the start says what is wrong with it. */

const read = (environment: Record<string, string>) => {
  const warnings: string[] = [];
  return { config: readConfig(environment, (sentence) => warnings.push(sentence)), warnings };
};

describe('names', () => {
  test.each([
    ['FETCH_ALLOW_HOST', 'FETCH_ALLOW_HOSTS'],
    ['FETCH_ALLOWED_HOSTS', 'FETCH_ALLOW_HOSTS'],
    ['MAX_UPLOAD_BYTE', 'MAX_UPLOAD_BYTES'],
    ['MAX_INPUT_PIXEL', 'MAX_INPUT_PIXELS'],
    ['RATELIMITS', 'RATE_LIMITS'],
    ['RATE_LIMIT', 'RATE_LIMITS'],
    ['PRICE', 'PRICES'],
    ['PUBLIC_ULR', 'PUBLIC_URL'],
    ['public_url', 'PUBLIC_URL'],
    ['PUBLIC-URL', 'PUBLIC_URL'],
    ['SEESR_PUBLIC_URL', 'PUBLIC_URL'],
    ['SEESR_CLOUD_DATA_DIR', 'DATA_DIR'],
    ['SEESRPORT', 'PORT'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['ALLOW_HTTP_FETCHES', 'ALLOW_HTTP_FETCH'],
    ['MODEL_DIR', 'MODELS_DIR'],
    ['HEIF', 'HEIC'],
    ['KEEPALIVE_SECONDS', 'KEEP_ALIVE_SECONDS'],
  ])('%s: was %s meant?', (name, meant) => {
    const { warnings } = read({ [name]: '1' });
    expect(warnings).toEqual([`${name} is set, which nothing here reads: was ${meant} meant?`]);
    const value = { DATA_DIR: 'x', PUBLIC_URL: 'https://a.example', LOG_LEVEL: 'info', PRICES: 'free' }[meant];
    const known = { [meant]: value ?? (/LIMITS|HOSTS|MODELS/.test(meant) ? '' : '1') };
    if (known[meant]) expect(read({ [name]: '1', ...known }).warnings).toEqual([]);
  });

  test('variables of other programs are nobody’s business', () => {
    const names = [
      'PATH HOME HOSTNAME USER SHELL TERM LANG PWD TMPDIR LOGNAME MAIL EDITOR DISPLAY HOSTTYPE OLDPWD',
      'NODE_ENV NODE_OPTIONS npm_config_cache npm_lifecycle_event npm_package_version INIT_CWD',
      'AWS_REGION AWS_ACCESS_KEY_ID AWS_LAMBDA_FUNCTION_NAME _X_AMZN_TRACE_ID LAMBDA_TASK_ROOT',
      'KUBERNETES_SERVICE_HOST KUBERNETES_PORT DOCKER_HOST CUDA_VISIBLE_DEVICES LD_LIBRARY_PATH OMP_NUM_THREADS',
      'DATABASE_URL REDIS_URL MAX_UPLOAD_SIZE LOG_FORMAT LOG_FILE SORT COST HOP A _ SERVICE',
    ].flatMap((line) => line.split(' '));
    const { warnings } = read(Object.fromEntries(names.map((name) => [name, 'x'])));
    expect(warnings).toEqual([]);
  });

  test('an empty variable is none', () => {
    expect(read({ FETCH_ALLOW_HOST: '', MAX_UPLOAD_BYTE: ' ' }).warnings).toEqual([]);
  });

  test('names that are known to one another are not taken for slips', () => {
    const names = ['MIN_WORKERS', 'MAX_WORKERS', 'MAX_INPUT_PIXELS', 'MAX_OUTPUT_PIXELS', 'MODELS', 'MODELS_DIR'];
    for (const name of names) expect(nearMiss(name, names)).toBe(name);
  });

  // They say it before they give up for another reason.
  test.each([
    ['gpu-worker/models-cli.ts', 'MODEL_DIR'],
    ['evaluation/main.ts', 'MODEL_DIR', '--hr x --lr x --models bicubic --out x'],
    ['gpu-worker/cli.ts', 'HEIF'],
  ])('%s tells of %s, too', async (program, name, given = 'missing.jpg x.png') => {
    const path = fileURLToPath(new URL(`../../../${program}`, import.meta.url));
    const env = { PATH: process.env.PATH, [name]: 'x' };
    // Without a file, or a command, it ends at once.
    const failure = await promisify(execFile)(process.execPath, [path, ...given.split(' ')], { env }).catch(
      (error: unknown) => error,
    );
    expect((failure as { stderr: string }).stderr).toContain(`${name} is set, which nothing here reads: was `);
  });

  test.each([
    ['local/main.ts', 'PORTS'],
    ['local/keys.ts', 'DATA_DIRS'],
    ['local/keys.ts', 'TABEL'],
    ['functions/api/main.ts', 'ORIGIN_SECRETS'],
    ['functions/notify/main.ts', 'MAX_UPLOAD_BYTE'],
    ['functions/reap/main.ts', 'QUEUE_URLS'],
    ['functions/scale/main.ts', 'MAX_WORKER'],
    ['gpu-worker/main.ts', 'MODEL_BUCKET'],
  ])('%s tells of %s', async (program, name) => {
    const path = fileURLToPath(new URL(`../../../${program}`, import.meta.url));
    const env = { PATH: process.env.PATH, [name]: 'secret-value', MAX_INPUT_PIXELS: '-1' };
    const failure = await promisify(execFile)(process.execPath, [path], { env }).catch((error: unknown) => error);
    const { stderr, code } = failure as { stderr: string; code: number };
    expect(code).toBe(1);
    expect(stderr).toContain(`${name} is set, which nothing here reads: was `);
    expect(stderr).toContain('MAX_INPUT_PIXELS=-1: a whole number in digits');
    expect(stderr).not.toContain('secret-value');
  });
});

describe('values', () => {
  test('space around them does not count', () => {
    const { config } = read({
      PORT: ' 8080\r',
      LOG_LEVEL: 'WARN ',
      DEVICE: 'CPU',
      HEIC: ' On ',
    });
    expect(config).toMatchObject({ port: 8080, logLevel: 'warn', devices: [{ device: 'cpu', index: 0 }] });
    expect(config.limits.heic).toBe(true);
    expect(read({ PUBLIC_URL: ' https://API.example.com:443/ ' }).config.publicUrl).toBe('https://api.example.com/');
  });

  test.each([
    ['PORT', '80a', 'a whole number'],
    ['PORT', '0x50', 'a whole number'],
    ['PORT', '8787.5', 'a whole number'],
    ['PORT', '-1', 'a whole number'],
    ['PORT', '65536', 'expected number to be <=65535'],
    ['MAX_UPLOAD_BYTES', '64MB', 'a whole number'],
    ['MAX_UPLOAD_BYTES', '6.4e7', 'a whole number'],
    ['MAX_UPLOAD_BYTES', '0', 'expected number to be >=1'],
    ['MAX_UPLOAD_BYTES', '99999999999999999999', 'a whole number'],
    ['DATA_DIR', '/data\u0000x', 'has a control character'],
    ['DATA_DIR', '/data\nx', 'has a control character'],
    ['DATA_DIR', '\u001b[31m', 'has a control character'],
    ['DATA_DIR', '"/data"', 'is in quotes'],
    ['DATA_DIR', "'data'", 'is in quotes'],
    ['DATA_DIR', 'data\r', 'DATA_DIR="data\\r": has a control character'],
    ['DATA_DIR', '/data\n', 'has a control character'],
    ['DATA_DIR', ' data', 'DATA_DIR=" data": begins or ends with a blank'],
    ['DATA_DIR', 'data ', 'begins or ends with a blank'],
    ['DATA_DIR', 'data\u00a0', 'begins or ends with a blank'],
    ['DATA_DIR', 'da\u200bta', 'has a character that nobody sees'],
    ['DATA_DIR', '~/seesr', 'DATA_DIR="~/seesr": begins with ~'],
    ['DATA_DIR', '~', 'begins with ~'],
    ['DATA_DIR', '~seesr/data', 'begins with ~'],
    ['DATA_DIR', '  ', 'is blank'],
    ['MODELS_DIR', '~/models', 'begins with ~'],
    ['MODELS_DIR', 'models\r', 'has a control character'],
    ['PORT', ' ', 'is blank'],
    ['PORT', '\r', 'is blank'],
    ['HOST', ' ', 'is blank'],
    ['RATE_LIMITS', '\t', 'is blank'],
    ['PUBLIC_URL', "'https://a.example'", 'is in quotes'],
    ['HEIC', 'maybe', 'expected'],
    ['DEVICE', 'gpu', 'expected auto, or some of cpu, cuda'],
    ['DEVICE', 'cuda:0, cuda:1', 'has a blank within'],
    ['DEVICE', 'cuda:0,cuda', 'names cuda:0 twice'],
    ['DEVICE', 'cuda:16', 'an index is 0 to 15'],
    ['WORKERS', '0', 'expected number to be >=1'],
    ['WORKERS', 'two', 'a whole number'],
    ['LOG_LEVEL', 'loud', 'one of info'],
    ['PRICES', 'gratis', 'neither "free" nor "standard"'],
    ['RATE_LIMITS', '{"burst": 5}', 'burst'],
    ['RATE_LIMITS', '{"burts": {}}', 'burts'],
  ])('%s=%j: %s', (name, value, rule) => {
    expect(() => read({ [name]: value })).toThrow(rule);
    expect(() => read({ [name]: value })).toThrow(`${name}=`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none reaches the terminal.
    expect(() => read({ [name]: value })).toThrow(/^[^\u0000-\u001f]*$/);
  });

  test('JSON may have lines', () => {
    const { config } = read({ RATE_LIMITS: '{\n\t"burst": {"quota": 5, "window_seconds": 1}\n}\n' });
    expect(config.rateLimits?.burst).toEqual({ quota: 5, window_seconds: 1 });
  });

  test('all that are wrong are told at once, each once', () => {
    expect(() => read({ PORT: '"80"', MAX_UPLOAD_BYTES: 'x' })).toThrow(
      /^The configuration is not valid\. PORT="80": is in quotes[^;]*; MAX_UPLOAD_BYTES=x: a whole number in digits$/,
    );
  });
});

describe('FETCH_ALLOW_HOSTS', () => {
  const allows = (hosts: string, url: string) => {
    const { config } = read({ FETCH_ALLOW_HOSTS: hosts });
    createGuardedFetch(config.outbound).check(url);
  };

  test.each([
    ['10.0.0.5, minio.internal:9000', 'http://minio.internal:9000/x'],
    ['MinIO.internal:9000', 'http://minio.internal:9000/x'],
    ['minio.internal', 'http://minio.internal:9000/x'],
    [' minio.internal:443 ,', 'https://minio.internal/x'],
    ['minio.internal:80', 'http://minio.internal/x'],
    ['bücher.internal', 'http://xn--bcher-kva.internal:81/'],
    ['[::1]:9000', 'http://[::1]:9000/'],
    ['[0:0::1]', 'http://[::1]:9000/'],
    ['127.1:9000', 'http://127.0.0.1:9000/'],
    ['minio.internal:09000', 'http://minio.internal:9000/'],
  ])('%s lets %s through', (hosts, url) => {
    expect(() => allows(hosts, url)).not.toThrow();
  });

  test('only that port, where one is named', () => {
    expect(() => allows('minio.internal:443', 'http://minio.internal/')).toThrow('must be https');
    expect(() => allows('minio.internal:9000', 'https://minio.internal:9001/')).toThrow('port');
  });

  test.each([
    'http://minio.internal:9000',
    'minio.internal:9000/',
    'minio.internal/bucket',
    '*.internal',
    '10.0.0.0/8',
    'user@minio.internal',
    'minio internal',
    'minio.internal:port',
    'minio.internal:70000',
    '::1',
  ])('%s is refused', (hosts) => {
    expect(() => read({ FETCH_ALLOW_HOSTS: `a.example, ${hosts}` })).toThrow(`FETCH_ALLOW_HOSTS=a.example, ${hosts}: `);
  });
});
