/// <reference path="./.sst/platform/config.d.ts" />

/** The whole service on AWS: `npx sst deploy --stage production`. The operator's choices are in infra/settings.ts. */
export default $config({
  app(input) {
    const isProduction = input?.stage === 'production';
    return {
      name: 'seesr-cloud',
      home: 'aws',
      // Photos, results and money outlive a `sst remove` of production; of any other stage nothing is left.
      removal: isProduction ? 'retain' : 'remove',
      protect: isProduction,
      providers: { aws: { region: (process.env.AWS_REGION as 'us-east-1' | undefined) || 'us-east-1' } },
    };
  },
  async run() {
    const { router } = await import('./infra/api.ts');
    await import('./infra/background.ts');
    const { cluster, worker } = await import('./infra/worker.ts');
    await import('./infra/scaler.ts');
    await import('./infra/alarms.ts');
    await import('./infra/budget.ts');
    await import('./infra/dashboard.ts');
    const { bucket, models, table } = await import('./infra/storage.ts');
    return {
      url: router.url,
      table: table.name,
      bucket: bucket.name,
      models: models.name,
      cluster: cluster.nodes.cluster.name,
      worker: worker.nodes.service.name,
    };
  },
});
