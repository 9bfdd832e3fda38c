import { describe, expect, test } from 'vitest';
import { helpOf, readCommandLine } from '../../../../../shared/adapters/node/command-line.ts';

const COMMAND = {
  name: 'paint',
  usage: ['WALL [options]', '--list'],
  about: 'Paints.\n',
  options: {
    color: { value: 'COLOR', about: 'what the wall gets', default: 'white' },
    brush: { value: 'SIZE', about: 'in millimeters' },
    layer: { value: 'NAME', about: 'one below the other', multiple: true },
    'dry-run': { about: 'paint nothing' },
  },
  takesWords: true,
} as const;

const read = (...given: string[]) => readCommandLine(COMMAND, given);

test('values have the types and defaults that are declared', () => {
  expect(read()).toEqual({
    values: { color: 'white', brush: undefined, layer: [], 'dry-run': false, help: false },
    words: [],
  });
  const line = read('north', '--layer', 'a', '--layer=b', '--dry-run', '--brush=-5', '--', '--color');
  expect(line).toMatchObject({ values: { layer: ['a', 'b'], 'dry-run': true }, words: ['north', '--color'] });
});

describe('refused', () => {
  test.each([
    [['--colour', 'red'], /^there is no option --colour, was --color meant\?; "seesr paint --help" tells more$/],
    [['--dryrun'], /^there is no option --dryrun, was --dry-run meant\?/],
    [['--zebra'], /^there is no option --zebra; "seesr/],
    [['-x'], /^there is no option -?-x; /],
    [['--brush'], /^Option '--brush <value>' argument missing; /],
    [['--brush', '--dry-run'], /^Option '--brush' argument is ambiguous/],
    [['--dry-run=yes'], /^Option '--dry-run' does not take an argument; /],
  ])('%j', (given, message) => {
    expect(() => read(...given)).toThrow(expect.objectContaining({ code: 'malformed' }));
    expect(() => read(...given)).toThrow(message);
    expect(() => read(...given)).not.toThrow('\n');
  });

  test('a word where none has a meaning', () => {
    const { takesWords: _, ...command } = COMMAND;
    expect(() => readCommandLine(command, ['north'])).toThrow('"north" has no meaning here; "seesr paint --help"');
  });
});

test('the help has every option, its default, and no line that is too long', () => {
  const long = { value: 'ONE | ANOTHER | A THIRD', about: 'word '.repeat(60).trim() };
  expect(helpOf({ ...COMMAND, words: { north: 'a wall', 'in-the-garden-or-the-yard': 'another one' } })).toContain(
    `\n\nPaints.\n\n  north                   a wall\n  in-the-garden-or-the-yard\n${' '.repeat(26)}another one\n\n  --color`,
  );
  const help = helpOf({ ...COMMAND, options: { ...COMMAND.options, long } });
  expect(read('-h')).toEqual({ help: helpOf(COMMAND) });
  expect(help.split('\n').slice(0, 5)).toEqual(['seesr paint WALL [options]', 'seesr paint --list', '', 'Paints.', '']);
  expect(help).toContain('\n  --color COLOR           what the wall gets (default white)\n');
  expect(help).toContain('\n  --layer NAME            one below the other (may be repeated)\n');
  expect(help).toContain(`\n  --long ONE | ANOTHER | A THIRD\n${' '.repeat(26)}word word`);
  expect(Math.max(...help.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120);
});
