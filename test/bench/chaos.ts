import { type ChaosReport, runChaos } from '../support/chaos.ts';
import type { FAULTS } from '../support/chaos-faults.ts';
import { type BenchOptions, type BenchTable, readCount, readSeed, SEED } from './bench.ts';

const JOBS = 100;
const JOBS_LONG = 1_000;

export const options = {
  jobs: { value: 'N', about: `how many (default ${JOBS}, with --long ${JOBS_LONG})` },
  seed: SEED,
} as const;

/**
 * Jobs while everything goes wrong around them. Exit code 1 if one is lost, stuck, doubled or wrongly charged, or if
 * anything is left behind.
 */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const report = await runChaos({
    jobs: readCount('jobs', values.jobs, long ? JOBS_LONG : JOBS),
    seed: readSeed(values.seed),
    rounds: long ? 10 : 3,
    pauseMilliseconds: [200, 2_000],
    // The stores wait three seconds for a lock.
    lockMilliseconds: [1_500, 6_000],
    timeoutSeconds: 600,
    progress: (text) => process.stderr.write(`${text}\n`),
  });
  if (report.violations.length > 0) process.exitCode = 1;
  return tablesOf(report);
}

type Felt = ChaosReport['felt'];

/** The evidence that a fault of this kind was noticed. */
const FELT: Record<(typeof FAULTS)[number], (felt: Felt) => string> = {
  'kill -9 of the service': (felt) => `${felt.requestsWithoutConnection} requests found no service`,
  'kill -9 of an inference child': (felt) => `${felt.childrenLost} attempts lost their child`,
  'kill -9 of the second worker': () => 'see attempts',
  'clock forward (1 to 4 h)': (felt) => `${felt.clockSteps} steps of the clock were not believed`,
  'clock back (1 to 10 min)': () => 'counted above',
  'disk full (RLIMIT_FSIZE)': (felt) =>
    `${felt.answersStorageFull} answers 503 storage-full, ${felt.linesStorageFull} lines of log`,
  'slow disk (40 to 250 ms an operation)': (felt) => `${felt.slowedOperations} operations delayed`,
  'database locked by another process': (felt) =>
    `${felt.linesLocked} lines of log, ${felt.refusedStarts} starts refused`,
  'process stopped (SIGSTOP)': () => 'see attempts',
  'lease lost while the worker lives (SIGSTOP, time)': (felt) => `${felt.leasesLost} attempts found their job taken`,
  'no handles (RLIMIT_NOFILE, EMFILE)': (felt) => `${felt.noHandles} lines of log`,
  'disk full (ENOSPC)': (felt) => `${felt.refused('ENOSPC')} calls`,
  'no rights (EACCES)': (felt) => `${felt.refused('EACCES')} calls`,
  'no memory for calls (ENOMEM)': (felt) => `${felt.refused('ENOMEM')} calls`,
  'device broken (EIO)': (felt) => `${felt.refused('EIO')} calls`,
  'commit refused (SQLite: I/O, full, no memory, read-only)': (felt) => `${felt.commitsRefused} commits`,
  'no new process (fork: EAGAIN)': (felt) => `${felt.startsRefused} starts were refused`,
  'log not written (EPIPE, ENOSPC)': (felt) => `${felt.linesLost} lines were lost`,
};

function tablesOf(report: ChaosReport): BenchTable[] {
  const { injected, felt, trouble, endings, violations } = report;
  const faults = Object.entries(FELT).map(([fault, describe]) => ({
    fault,
    injected: injected[fault as keyof typeof injected],
    felt: describe(felt),
  }));
  return [
    {
      title: `Chaos: ${report.jobs} jobs, seed ${report.seed}`,
      rows: [
        {
          jobs: report.jobs,
          lost: report.lost,
          stuck: report.stuck,
          'double captures': report.doubleCaptures,
          violations: violations.length,
          'jobs with more than one attempt': report.retried,
          attempts: report.attempts,
          'ledger rows': report.entries,
          webhooks: report.webhooks,
          'orphans swept': report.orphans,
          seconds: Math.round(report.seconds),
        },
      ],
      note:
        'The service (API, worker, reaper, notifier in one process) and a second worker on the same database. Each job is ' +
        'found by its Idempotency-Key, its result is decoded and has the sides and the color of its photo, its end was told ' +
        'by a webhook; the ledger adds up to the micro-unit; after a sweep no file is left that belongs to nothing. At the ' +
        `end waits for leases and repeats were shortened by 200 s, ${report.shortened} times, as if the machine had slept. A full ` +
        'disk is a limit on the size of files, which needs no privileges; a real full device is not tried.',
    },
    {
      title: 'How the jobs ended',
      rows: Object.entries(endings).map(([end, jobs]) => ({ end, jobs })),
      note:
        'Canceled: by the client, 4 of 100. Expired: the signed URL for the photo was over before it was sent. Any failure, ' +
        'and any answer 500 internal, is a violation.',
    },
    {
      title: 'Faults',
      rows: [
        ...faults,
        {
          fault: 'connection reset by the client',
          injected: felt.resets,
          felt: `${felt.resetsBeforeAnswer} before an answer; ${felt.replayed} repeats got the first answer`,
        },
        { fault: 'submit sent twice at once', injected: felt.doubled, felt: 'each pair got one job' },
      ],
    },
    {
      title: 'Failures after which the client tried again',
      rows: Object.entries(trouble).map(([answer, times]) => ({ answer, times })),
    },
    ...(violations.length > 0
      ? [{ title: 'Violations', rows: violations.slice(0, 50).map((violation) => ({ violation })) }]
      : []),
  ];
}
