// Runs before any TypeScript is loaded: an older Node could only answer with a syntax error.
const required = 24;
if (Number.parseInt(process.versions.node, 10) < required) {
  process.stderr.write(
    `seesr-cloud needs Node ${required} or newer; this is ${process.version}.\n` +
      `On Linux and Windows "npm ci" installs the right Node beside the project: start it through npm, as the README shows.\n` +
      `On macOS install Node ${required} from https://nodejs.org first.\n`,
  );
  process.exit(1);
}
