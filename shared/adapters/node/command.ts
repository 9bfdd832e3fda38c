import { AppError } from '../../error.ts';
import { oneLine } from '../../one-line.ts';
import { type Options, readCommandLine, type Values } from './command-line.ts';
import { outliveReader } from './standard-log.ts';

export interface Command<Declared extends Options> {
  /** As it is called: `seesr NAME`. */
  name: string;
  /** Arguments that may follow the name, a line each. Default: options alone. */
  usage?: readonly string[];
  /** Its purpose, as its help tells it. */
  about: string;
  /** Words that may follow the name, each with its meaning, for the help. */
  words?: Readonly<Record<string, string>>;
  options?: Declared;
  /** Whether words beside the options have a meaning. */
  takesWords?: boolean;
  run(values: Values<Declared>, words: string[]): Promise<void>;
}

/** No such command line: the program ends with 2. Other errors end it with 1. */
const UNREADABLE = 'malformed';

export function usageError(message: string): AppError {
  return new AppError(UNREADABLE, message);
}

/** Reads the value of an option. Throws `malformed` unless it is a whole number from `least` to `most`. */
export function wholeNumber(option: string, value: string, most: number, least = 0): number {
  if (/^\d{1,15}$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw usageError(`--${option} ${value}: it is a whole number from ${least} to ${most}.`);
}

/** Of a command with commands of its own: `words` begin with none of them. */
export function notACommand(name: string, words: readonly string[]): AppError {
  const fault = words.length > 0 ? `"${words.join(' ')}" is not a command, or lacks something` : 'a command is missing';
  return usageError(`${fault}; "seesr ${name} --help" lists them`);
}

/**
 * Runs the program of one command: reads the command line, prints the help, or runs. A failure is one line on standard
 * error. Exit codes: 2 where the command line cannot be read, 1 where the command failed; `run` may set others.
 */
export function runCommand<const Declared extends Options>(command: Command<Declared>): void {
  const tell = (line: string) => process.stderr.write(`seesr ${command.name}: ${line}\n`);
  outliveReader(process.stderr);
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    process.exitCode ??= 1;
    // A reader that closed the pipe needs no message.
    if (code !== 'EPIPE') tell(`standard output: ${message}`);
  });
  execute(command).catch((error: unknown) => {
    tell(oneLine(messageOf(error)));
    const isUnreadable = error instanceof AppError && error.code === UNREADABLE;
    process.exitCode ??= isUnreadable ? 2 : 1;
    process.exit();
  });
}

async function execute<Declared extends Options>(command: Command<Declared>): Promise<void> {
  const line = readCommandLine(command, process.argv.slice(2));
  if ('help' in line) process.stdout.write(line.help);
  else await command.run(line.values, line.words);
}

/** An error that is neither ours nor the system's is a mistake of the program: its place helps to mend it. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isExplained = error instanceof AppError || 'code' in error;
  return isExplained ? error.message : `unexpected error: ${error.message} (${placeOf(error)})`;
}

function placeOf({ stack }: Error): string {
  return /^\s+at (.*)$/m.exec(stack ?? '')?.[1] ?? 'nobody knows where';
}
