import { parseArgs } from 'node:util';
import { AppError } from '../../error.ts';
import { nearMiss } from '../../near-miss.ts';

/** An option of a command. The same words give the parser, the help and the errors. */
interface Option {
  /** Placeholder of its value in the help. An option without it is a switch. */
  value?: string;
  about: string;
  default?: string;
  /** It may be given several times. */
  multiple?: true;
}

export type Options = Readonly<Record<string, Option>>;

type Value<Declared extends Option> = Declared extends { value: string }
  ? Declared extends { multiple: true }
    ? string[]
    : Declared extends { default: string }
      ? string
      : string | undefined
  : boolean;
export type Values<Declared extends Options> = { [Name in keyof Declared]: Value<Declared[Name]> };

interface Described {
  name: string;
  usage?: readonly string[];
  about: string;
  words?: Readonly<Record<string, string>>;
  options?: Options;
  takesWords?: boolean;
}

/** Where descriptions begin, and where lines end. */
const COLUMN = 26;
const WIDTH = 120;
const HELP = { help: { about: 'print this' } };

/** Throws `malformed` with a line that names the fault. */
export function readCommandLine<Declared extends Options>(
  command: Described & { options?: Declared },
  given: readonly string[],
): { help: string } | { values: Values<Declared>; words: string[] } {
  const declared: Options = { ...command.options, ...HELP };
  const { values, positionals: words } = parse(declared, given);
  if (values.help) return { help: helpOf(command) };
  if (!command.takesWords && words.length > 0) throw unreadable(`"${words[0]}" has no meaning here`, command.name);
  return { values: values as Values<Declared>, words };

  function parse(options: Options, args: readonly string[]) {
    try {
      const parsers = Object.entries(options).map(([name, option]) => [name, parserOf(name, option)] as const);
      return parseArgs({ args: [...args], allowPositionals: true, options: Object.fromEntries(parsers) });
    } catch (error) {
      throw unreadable(explain(error as NodeJS.ErrnoException, Object.keys(options)), command.name);
    }
  }
}

function parserOf(name: string, { value, multiple, default: usual }: Option) {
  const short = name === 'help' ? { short: 'h' } : {};
  if (value === undefined) return { type: 'boolean' as const, default: false, ...short };
  if (multiple) return { type: 'string' as const, multiple, default: [] };
  return { type: 'string' as const, ...(usual !== undefined && { default: usual }) };
}

/** The words of Node, which has more than a line of advice. */
function explain({ code, message }: NodeJS.ErrnoException, names: readonly string[]): string {
  const [, option] = /'-*([^' ]*)/.exec(message) ?? [];
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return message.replaceAll('\n', ' ').replace(/\.$/, '');
  const meant = nearMiss(option!, names);
  return `there is no option --${option}${meant ? `, was --${meant} meant?` : ''}`;
}

function unreadable(fault: string, name: string): AppError {
  return new AppError('malformed', `${fault}; "seesr ${name} --help" tells more`);
}

export function helpOf({ name, usage = [''], about, words = {}, options = {} }: Described): string {
  const calls = usage.map((rest) => `seesr ${name} ${rest}`.trimEnd());
  const meanings = Object.entries(words).map(([word, meaning]) => describe(`  ${word}`, meaning));
  const lines = Object.entries({ ...options, ...HELP }).map(([option, declared]) => describeOption(option, declared));
  const parts = [calls, [about.trim()], meanings, lines].filter(({ length }) => length > 0);
  return `${parts.map((part) => part.join('\n')).join('\n\n')}\n`;
}

function describeOption(name: string, { value, about, default: usual, multiple }: Option): string {
  const notes = [usual && `default ${usual}`, multiple && 'may be repeated'].filter(Boolean).join('; ');
  return describe(`  --${name}${value === undefined ? '' : ` ${value}`}`, notes ? `${about} (${notes})` : about);
}

function describe(call: string, meaning: string): string {
  const text = wrap(meaning, WIDTH - COLUMN).join(`\n${' '.repeat(COLUMN)}`);
  return call.length < COLUMN ? `${call.padEnd(COLUMN)}${text}` : `${call}\n${' '.repeat(COLUMN)}${text}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
  }
  return lines;
}
