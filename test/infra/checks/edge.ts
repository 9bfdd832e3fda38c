import { expect } from 'vitest';
import { ORIGIN_SECRET_HEADER } from '../../../functions/api/origin-secret.ts';
import { problemSchema } from '../../../shared/error.ts';
import { type Check, inputsOf, named, remove, set } from '../check.ts';
import { ORIGIN_SECRET, type Resource } from '../evaluate.ts';

interface Rule {
  name: string;
  action?: Action;
  statement: {
    rateBasedStatement?: { limit: number; aggregateKeyType: string; evaluationWindowSec: number };
    managedRuleGroupStatement?: { ruleActionOverrides: { name: string; actionToUse: Action }[] };
  };
  visibilityConfig: { cloudwatchMetricsEnabled: boolean; sampledRequestsEnabled: boolean };
}

interface Action {
  count?: object;
  block?: {
    customResponse?: {
      responseCode: number;
      customResponseBodyKey: string;
      responseHeaders: { name: string; value: string }[];
    };
  };
}

interface Firewall {
  rules: Rule[];
  customResponseBodies: { key: string; content: string; contentType: string }[];
  visibilityConfig: { metricName: string };
}

interface Behavior {
  cachePolicyId: string;
  originRequestPolicyId: string;
  allowedMethods: string[];
  viewerProtocolPolicy: string;
  functionAssociations: { functionArn: string; eventType: string }[];
}

/** A managed policy of CloudFront: every header but `Host`, so that `Authorization` and `X-Api-Key` both arrive. */
const ALL_VIEWER_EXCEPT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
/** By the default limits: 100 requests in 10 s, and as many unchanged polls of 1,000 jobs as there are 10 in 10 s of each. */
const MOST_OF_A_KEY_PER_SECOND = 1010;
/** AWS's own names, of the version that it describes as the newest in 2026. */
const READS_CUSTOMERS = /_BODY$|_QUERYARGUMENTS$|_QUERYSTRING$|^NoUserAgent_/;
const RULES_THAT_READ_CUSTOMERS = [
  'NoUserAgent_HEADER',
  'SizeRestrictions_QUERYSTRING',
  'SizeRestrictions_BODY',
  'EC2MetaDataSSRF_BODY',
  'EC2MetaDataSSRF_QUERYARGUMENTS',
  'GenericLFI_BODY',
  'GenericLFI_QUERYARGUMENTS',
  'GenericRFI_BODY',
  'GenericRFI_QUERYARGUMENTS',
  'CrossSiteScripting_BODY',
  'CrossSiteScripting_QUERYARGUMENTS',
  'RestrictedExtensions_QUERYARGUMENTS',
];
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
  name: 'the firewall stops floods and scanners, no customer, and says so in words of the API',
  holds(program) {
    const { rules, scope, customResponseBodies, visibilityConfig } = inputsOf<Firewall & { scope: string }>(
      program,
      'RouterWaf',
    );
    expect(scope).toBe('CLOUDFRONT');
    expect(visibilityConfig.metricName).toBe('seesr-cloud-production'); // not that of another stage
    const { rateBasedStatement } = ruleOf(program, 'RateLimitPerIP').statement;
    const { limit = 0, evaluationWindowSec = 300, aggregateKeyType } = rateBasedStatement!;
    expect(aggregateKeyType).toBe('IP');
    expect(limit / evaluationWindowSec).toBeGreaterThanOrEqual(MOST_OF_A_KEY_PER_SECOND);

    const actions = actionsOf(program);
    for (const [name, action] of actions) {
      if (READS_CUSTOMERS.test(name)) expect(action, name).toEqual({ count: {} });
      else expectToBeTold(action, customResponseBodies, name);
    }
    // A rule of that group that nobody named would refuse without a word to a page.
    for (const name of RULES_THAT_READ_CUSTOMERS) expect([...actions.keys()]).toContain(name);
    expectToBeTold(ruleOf(program, 'RateLimitPerIP').action, customResponseBodies, 'RateLimitPerIP');
    // Of other groups the rules that read bodies would need the same.
    expect(rules.map(({ name }) => name)).toEqual(['RateLimitPerIP', 'AWSManagedRulesCommonRuleSet']);
    for (const rule of rules) {
      expect(rule.visibilityConfig).toMatchObject({ cloudwatchMetricsEnabled: true, sampledRequestsEnabled: true });
    }
  },
  mistakes: {
    'no limit': (program) => inputsOf<Firewall>(program, 'RouterWaf').rules.shift(),
    'only seen, not stopped': (program) => {
      ruleOf(program, 'RateLimitPerIP').action = { count: {} };
    },
    'less than a key may ask': (program) => {
      ruleOf(program, 'RateLimitPerIP').statement.rateBasedStatement!.limit = 3000;
    },
    'addresses of photos are refused': (program) => changeAction(program, 'GenericRFI_BODY', { block: {} }),
    'prompts are refused': (program) => changeAction(program, 'CrossSiteScripting_BODY', { block: {} }),
    'references are refused': (program) => changeAction(program, 'GenericLFI_QUERYARGUMENTS', undefined),
    'clients without a name are refused': (program) => changeAction(program, 'NoUserAgent_HEADER', undefined),
    'refused in HTML': (program) => changeAction(program, 'GenericLFI_URIPATH', { block: {} }),
    'a group that knows nothing of this API': (program) => {
      const { rules } = inputsOf<Firewall>(program, 'RouterWaf');
      rules.push({ ...rules[1]!, name: 'AWSManagedRulesSQLiRuleSet' });
    },
  },
};

const firewallLog: Check = {
  name: 'refusals of the firewall are in a log, without keys',
  holds(program) {
    const { loggingFilter, redactedFields, logDestinationConfigs } = inputsOf<{
      loggingFilter: { defaultBehavior: string; filters: { conditions: unknown[] }[] };
      redactedFields: { singleHeader?: { name: string }; queryString?: object }[];
      logDestinationConfigs: string[];
    }>(program, 'RouterWafLogging');
    expect(loggingFilter.defaultBehavior).toBe('DROP');
    expect(loggingFilter.filters[0]!.conditions).toEqual([{ actionCondition: { action: 'BLOCK' } }]);
    const redacted = redactedFields.map(({ singleHeader }) => singleHeader?.name ?? 'query');
    expect(redacted.sort()).toEqual(['authorization', 'cookie', 'query', 'x-api-key']);
    expect(logDestinationConfigs).toEqual(['arn:RouterWafLogGroup']);
    const { name, retentionInDays } = inputsOf<{ name: string; retentionInDays: number }>(program, 'RouterWafLogGroup');
    expect(name).toMatch(/^aws-waf-logs-/); // the only names that a firewall may write to
    expect(retentionInDays).toBe(90);
  },
  mistakes: {
    'no log': (program) => remove(program, 'RouterWafLogging'),
    'keys in the log': (program) => {
      inputsOf<{ redactedFields: unknown[] }>(program, 'RouterWafLogging').redactedFields.pop();
    },
    'a name that a firewall may not write to': (program) => set(program, 'RouterWafLogGroup', 'name', 'firewall'),
  },
};

const errors: Check = {
  name: 'an error is told to the caller, and kept for nobody',
  holds(program) {
    const { customErrorResponses } = inputsOf<{ customErrorResponses: object[] }>(program, 'RouterCdnDistribution');
    // All of those that CloudFront can keep; without a page of its own, which would hide the words of the API.
    const kept = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];
    expect(customErrorResponses).toEqual(kept.map((errorCode) => ({ errorCode, errorCachingMinTtl: 0 })));
  },
  mistakes: {
    'for ten seconds': (program) => set(program, 'RouterCdnDistribution', 'customErrorResponses', []),
    'only those of the service': (program) => errorsOf(program).splice(0, 6),
    'a page of its own': (program) => Object.assign(errorsOf(program)[2]!, { responsePagePath: '/404.html' }),
  },
};

const origin: Check = {
  name: 'a caller that goes round the distribution has no secret, and a stream comes through',
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
      origin: { timeouts: { readTimeout: 60 } }, // pings of a stream come every 15 seconds
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

export const edge: Check[] = [distribution, firewall, firewallLog, errors, origin];

function behavior(program: readonly Resource[]): Behavior {
  return named(program, 'RouterCdnDistribution').inputs.defaultCacheBehavior as Behavior;
}

function ruleOf(program: readonly Resource[], name: string): Rule {
  return inputsOf<Firewall>(program, 'RouterWaf').rules.find((rule) => rule.name === name)!;
}

/** The actions in place of those of AWS's rules. */
function actionsOf(program: readonly Resource[]): Map<string, Action> {
  const { managedRuleGroupStatement } = ruleOf(program, 'AWSManagedRulesCommonRuleSet').statement;
  return new Map(managedRuleGroupStatement!.ruleActionOverrides.map(({ name, actionToUse }) => [name, actionToUse]));
}

/** `undefined`: the action of AWS, which is to refuse. */
function changeAction(program: readonly Resource[], name: string, action: Action | undefined): void {
  const { managedRuleGroupStatement } = ruleOf(program, 'AWSManagedRulesCommonRuleSet').statement;
  const overrides = managedRuleGroupStatement!.ruleActionOverrides;
  const i = overrides.findIndex((override) => override.name === name);
  overrides.splice(i, 1, ...(action ? [{ name, actionToUse: action }] : []));
}

/** A refusal is a problem document that any page may read. */
function expectToBeTold(action: Action | undefined, bodies: Firewall['customResponseBodies'], name: string): void {
  const { responseCode, customResponseBodyKey, responseHeaders } = action?.block?.customResponse ?? {};
  const body = bodies.find(({ key }) => key === customResponseBodyKey);
  expect(body, name).toMatchObject({ contentType: 'APPLICATION_JSON' });
  expect(problemSchema.parse(JSON.parse(body!.content)).status, name).toBe(responseCode);
  expect(responseHeaders).toContainEqual({ name: 'Access-Control-Allow-Origin', value: '*' });
}

function errorsOf(program: readonly Resource[]): object[] {
  return inputsOf<{ customErrorResponses: object[] }>(program, 'RouterCdnDistribution').customErrorResponses;
}

/** A caller's headers after the function at the edge, up to where SST's routing begins. */
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
