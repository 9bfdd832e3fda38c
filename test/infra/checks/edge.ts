import { expect } from 'vitest';
import { ORIGIN_SECRET_HEADER } from '../../../functions/api/origin-secret.ts';
import { type Check, inputsOf, named, remove, set } from '../check.ts';
import { ORIGIN_SECRET, type Resource } from '../evaluate.ts';

interface Behavior {
  cachePolicyId: string;
  originRequestPolicyId: string;
  allowedMethods: string[];
  viewerProtocolPolicy: string;
  functionAssociations: { functionArn: string; eventType: string }[];
}

/** A managed policy of CloudFront: every header but `Host`, so that `Authorization` and `X-Api-Key` both arrive. */
const ALL_VIEWER_EXCEPT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
const REQUEST_FUNCTION = 'RouterCloudfrontFunctionRequest';

const distribution: Check = {
  name: 'the distribution has a firewall, hands everything on and keeps nothing',
  holds(program) {
    const { defaultCacheBehavior, webAclId } = inputsOf<{ defaultCacheBehavior: Behavior; webAclId: string }>(
      program,
      'RouterCdnDistribution',
    );
    expect(webAclId).toBe('arn:RouterWaf');
    expect(defaultCacheBehavior).toMatchObject({
      cachePolicyId: 'RouterServerCachePolicy-id',
      originRequestPolicyId: ALL_VIEWER_EXCEPT_HOST,
      viewerProtocolPolicy: 'redirect-to-https',
      functionAssociations: [{ eventType: 'viewer-request', functionArn: `arn:${REQUEST_FUNCTION}` }],
    });
    expect(defaultCacheBehavior.allowedMethods).toEqual(expect.arrayContaining(['DELETE', 'GET', 'POST']));
    expect(inputsOf(program, 'RouterServerCachePolicy')).toMatchObject({ minTtl: 0, defaultTtl: 0, maxTtl: 0 });
  },
  mistakes: {
    'no firewall': (program) => set(program, 'RouterCdnDistribution', 'webAclId', undefined),
    'keys stay at the edge': (program) => {
      behavior(program).originRequestPolicyId = 'none';
    },
    'answers are kept': (program) => set(program, 'RouterServerCachePolicy', 'maxTtl', 31536000),
    'in clear': (program) => {
      behavior(program).viewerProtocolPolicy = 'allow-all';
    },
  },
};

const firewall: Check = {
  name: 'the firewall limits the rate of an address and lets photos through',
  holds(program) {
    const { rules, scope } = inputsOf<{ rules: Record<string, unknown>[]; scope: string }>(program, 'RouterWaf');
    expect(scope).toBe('CLOUDFRONT');
    expect(rules.map(({ name }) => name)).toEqual([
      'RateLimitPerIP',
      'AWSManagedRulesCommonRuleSet',
      'AWSManagedRulesKnownBadInputsRuleSet',
      'AWSManagedRulesSQLiRuleSet',
    ]);
    expect(rules[0]).toMatchObject({
      action: { block: {} },
      statement: { rateBasedStatement: { aggregateKeyType: 'IP', limit: 2000 } },
    });
    // A photo in the body is longer than that rule allows.
    const overrides = [{ name: 'SizeRestrictions_BODY', actionToUse: { count: {} } }];
    expect(rules[1]).toMatchObject({ statement: { managedRuleGroupStatement: { ruleActionOverrides: overrides } } });
  },
  mistakes: {
    'no limit': (program) => inputsOf<{ rules: unknown[] }>(program, 'RouterWaf').rules.shift(),
    'only seen, not stopped': (program) => {
      inputsOf<{ rules: Record<string, unknown>[] }>(program, 'RouterWaf').rules[0]!.action = { count: {} };
    },
  },
};

const origin: Check = {
  name: 'who goes round the distribution has no secret, and a stream comes through',
  holds(program) {
    const { code } = inputsOf<{ code: string }>(program, REQUEST_FUNCTION);
    expect(headersAfter(code)).toEqual({
      authorization: { value: 'Bearer key' },
      'x-api-key': { value: 'key' },
      [ORIGIN_SECRET_HEADER.toLowerCase()]: { value: ORIGIN_SECRET },
    });
    const { environment } = inputsOf<{ environment: { variables: Record<string, string> } }>(program, 'ApiFunction');
    expect(environment.variables.ORIGIN_SECRET).toBe(ORIGIN_SECRET);
    expect(inputsOf(program, 'ApiUrl')).toMatchObject({ authorizationType: 'NONE', invokeMode: 'RESPONSE_STREAM' });
    const { entries } = inputsOf<{ entries: { metadata: string } }>(program, 'ApiRouteKey.sst.aws.KvKeys');
    expect(JSON.parse(entries.metadata)).toMatchObject({
      host: 'function.lambda-url.test',
      origin: { timeouts: { readTimeout: 60 } }, // heartbeats of a stream come every 15 seconds
    });
  },
  mistakes: {
    'the secret of a caller': (program) => {
      const inputs = inputsOf<{ code: string }>(program, REQUEST_FUNCTION);
      inputs.code = inputs.code.replace(/event\.request\.headers\['x-origin-secret'\] = .*;/, '');
    },
    'whole answers only': (program) => set(program, 'ApiUrl', 'invokeMode', 'BUFFERED'),
    'signed requests, which lose Authorization': (program) => set(program, 'ApiUrl', 'authorizationType', 'AWS_IAM'),
    'no way to the function': (program) => remove(program, 'ApiRouteKey.sst.aws.KvKeys'),
  },
};

export const edge: Check[] = [distribution, firewall, origin];

function behavior(program: readonly Resource[]): Behavior {
  return named(program, 'RouterCdnDistribution').inputs.defaultCacheBehavior as Behavior;
}

/** What the function at the edge does to a caller's headers, up to where SST's routing begins. */
function headersAfter(code: string): object {
  const own = code.slice(
    code.indexOf('{', code.indexOf('async function handler')) + 1,
    code.indexOf('async function route'),
  );
  const event = {
    request: {
      headers: {
        authorization: { value: 'Bearer key' },
        'x-api-key': { value: 'key' },
        [ORIGIN_SECRET_HEADER.toLowerCase()]: { value: 'guessed' },
      },
    },
  };
  new Function('event', own)(event);
  return event.request.headers;
}
