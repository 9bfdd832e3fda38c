import { runChaos } from '../support/chaos.ts';

/** 100 jobs while API, worker and inference child are killed -9 at random moments. Exit code 1 if anything is lost. */
export async function run(): Promise<void> {
  const report = await runChaos({
    jobs: 100,
    kills: 25,
    killEveryMilliseconds: [200, 3_000],
    timeoutSeconds: 300,
    random: Math.random,
  });
  console.table([{ ...report, kills: `${report.kills.service} service, ${report.kills.child} child` }]);
  const bad = report.lost + report.stuck + report.failed + report.doubles;
  console.log(bad === 0 ? 'nothing lost, nothing stuck, nothing double' : `${bad} jobs went wrong`);
  if (bad > 0) process.exitCode = 1;
}
