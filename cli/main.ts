import { readFileSync } from 'node:fs';
import { nearMiss } from '../shared/near-miss.ts';
import { GROUPS } from './commands.ts';

/** `seesr COMMAND …`: finds the program of the command and lets it run, with the rest of the command line. */

const NAME_COLUMN = 20;
const commands = Object.assign({}, ...Object.values(GROUPS)) as (typeof GROUPS)[string];

const [name = '--help'] = process.argv.splice(2, 1);
if (Object.hasOwn(commands, name)) await commands[name]!.load().catch(explain);
else if (['--help', '-h', 'help'].includes(name)) process.stdout.write(help());
else if (name === '--version') process.stdout.write(`${version()}\n`);
else refuse();

function help(): string {
  const lines = Object.entries(GROUPS).flatMap(([title, group]) => [
    `\n${title}:`,
    ...Object.entries(group).map(([command, { about }]) => `  ${command.padEnd(NAME_COLUMN)}${about}`),
  ]);
  return `seesr COMMAND [options]\n${lines.join('\n')}\n\n"seesr COMMAND --help" tells the options of a command.\n`;
}

/** An image or a package holds only some of the programs. */
function explain(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write(`seesr ${name}: it is not whole in this installation (${error.message})\n`);
  process.exitCode = 1;
}

function refuse(): void {
  const meant = nearMiss(name, Object.keys(commands));
  const hint = meant ? `was "${meant}" meant?` : '"seesr --help" lists them';
  process.stderr.write(`seesr: ${JSON.stringify(name)} is not a command; ${hint}\n`);
  process.exitCode = 2;
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}
