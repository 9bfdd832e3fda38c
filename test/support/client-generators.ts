import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { install, run } from './aws-servers.ts';

/** Generators of clients, and the packages that their clients need, from the registries of their languages. */

const OPENAPI_GENERATOR = '7.25.0'; // Kotlin and Swift, Apache-2.0, Maven
const KOTLIN = '2.4.21'; // Apache-2.0, Maven
const PYTHON_CLIENT = '0.29.1'; // MIT, PyPI
const TYPESCRIPT_CLIENT = {
  'openapi-typescript': '7.13.0', // MIT, npm
  'openapi-fetch': '0.17.0', // MIT, npm
  typescript: '5.9.3', // the last whose compiler the generator can call
  '@types/node': '24.19.2',
};

/** A folder with `node_modules`. */
export function installTypeScriptGenerator(): Promise<string> {
  return install(`openapi-typescript-${TYPESCRIPT_CLIENT['openapi-typescript']}`, async (folder) => {
    const manifest = { private: true, type: 'module', dependencies: TYPESCRIPT_CLIENT };
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder]);
  });
}

/** A folder for PYTHONPATH; `bin` in it has the formatter of the generator. */
export function installPythonGenerator(): Promise<string> {
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  return install(`openapi-python-client-${PYTHON_CLIENT}`, (folder) =>
    run('python3', ['-m', 'pip', 'install', ...options, '--target', folder, `openapi-python-client==${PYTHON_CLIENT}`]),
  );
}

/** The path of the jar. */
export async function installOpenApiGenerator(): Promise<string> {
  const name = `openapi-generator-cli-${OPENAPI_GENERATOR}`;
  const artifact = ['org.openapitools', 'openapi-generator-cli', OPENAPI_GENERATOR] as const;
  const folder = await install(name, (folder) => copyDependencies(folder, [artifact], true));
  return join(folder, `${name}.jar`);
}

/** Folders of jars: the compiler, and the libraries that the clients of the generator import. */
export async function installKotlin(): Promise<{ compiler: string; libraries: string }> {
  const compiler = [['org.jetbrains.kotlin', 'kotlin-compiler-embeddable', KOTLIN]] as const;
  const libraries = [
    ['org.jetbrains.kotlin', 'kotlin-stdlib', KOTLIN],
    ['org.jetbrains.kotlin', 'kotlin-reflect', KOTLIN],
    ['com.fasterxml.jackson.module', 'jackson-module-kotlin', '2.22.1'],
    ['com.fasterxml.jackson.datatype', 'jackson-datatype-jsr310', '2.22.1'],
    ['com.squareup.okhttp3', 'okhttp-jvm', '5.4.0'],
  ] as const;
  const folders = [
    install(`kotlin-compiler-${KOTLIN}`, (folder) => copyDependencies(folder, compiler)),
    install(`kotlin-libraries-${KOTLIN}`, (folder) => copyDependencies(folder, libraries)),
  ] as const;
  await Promise.allSettled(folders); // whichever fails, the other cleans up behind it
  const [compilerFolder, librariesFolder] = await Promise.all(folders);
  return { compiler: compilerFolder, libraries: librariesFolder };
}

type Artifact = readonly [group: string, name: string, version: string];

/** `alone`: without their dependencies. */
async function copyDependencies(folder: string, artifacts: readonly Artifact[], alone = false): Promise<void> {
  const dependencies = artifacts.map(
    ([group, name, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`,
  );
  const project = `<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>client</artifactId>
    <version>1</version><dependencies>${dependencies.join('')}</dependencies></project>`;
  const file = join(folder, 'pom.xml');
  await writeFile(file, project);
  const options = [`-DoutputDirectory=${folder}`, `-DexcludeTransitive=${alone}`];
  await run('mvn', ['-q', '-B', '-f', file, 'dependency:copy-dependencies', ...options]);
}
