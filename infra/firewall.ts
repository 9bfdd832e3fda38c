import { AppError, toProblem } from '../shared/error.ts';
import { mostRequestsPerSecond } from '../shared/rate-limits.ts';
import { logRetentionDays } from './logs.ts';
import { settings } from './settings.ts';

/**
 * Refuses before the API: a flood from one address, and programs that look for holes. Not the texts of customers:
 * addresses of photos, prompts and references look like attacks to rules that read bodies and queries. AWS's groups of
 * rules against SQL injection and known holes of Java are left out, for neither is here.
 */

const WINDOW_SECONDS = 300;
/** The highest count of a firewall. */
const MAX_RATE = 2_000_000_000;
/** The API's own limits come first: they say more, and know whose requests these are. */
const rate = Math.min(MAX_RATE, mostRequestsPerSecond(settings.rateLimits) * WINDOW_SECONDS);

const CORE_RULES = 'AWSManagedRulesCommonRuleSet';

/** They read texts of customers, or a name that many clients do not tell. Their hits are counted. */
const COUNTED = [
  'NoUserAgent_HEADER',
  'SizeRestrictions_QUERYSTRING',
  'SizeRestrictions_BODY',
  ...['EC2MetaDataSSRF', 'GenericLFI', 'GenericRFI', 'CrossSiteScripting'].flatMap((of) => [
    `${of}_BODY`,
    `${of}_QUERYARGUMENTS`,
  ]),
  'RestrictedExtensions_QUERYARGUMENTS',
];
const REFUSED = [
  'UserAgent_BadBots_HEADER',
  ...[
    'SizeRestrictions',
    'EC2MetaDataSSRF',
    'GenericLFI',
    'RestrictedExtensions',
    'GenericRFI',
    'CrossSiteScripting',
  ].map((of) => `${of}_URIPATH`),
  ...['SizeRestrictions_Cookie_HEADER', 'EC2MetaDataSSRF_COOKIE', 'CrossSiteScripting_COOKIE'],
];

const REFUSALS = {
  flood: new AppError('quota-exceeded', `More than ${rate} requests in ${WINDOW_SECONDS} s came from one address.`, {
    headers: { 'Retry-After': '60' },
  }),
  attack: new AppError('forbidden', 'The firewall takes the request for an attack.'),
};

/** As all errors of the API say it, so that pages of other origins can read it, too. */
function refuse(by: keyof typeof REFUSALS) {
  const { status, headers } = REFUSALS[by];
  const responseHeaders = Object.entries({
    ...headers,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Retry-After',
    'Cache-Control': 'no-store',
  }).map(([name, value]) => ({ name, value }));
  return { block: { customResponse: { responseCode: status, customResponseBodyKey: by, responseHeaders } } };
}

/** Samples of a rule's hits are to be seen for three hours; the log has all refusals. */
const visibilityOf = (metricName: string) => ({
  visibilityConfig: { metricName, cloudwatchMetricsEnabled: true, sampledRequestsEnabled: true },
});

const RULES = [
  {
    name: 'RateLimitPerIP',
    priority: 0,
    action: refuse('flood'),
    statement: { rateBasedStatement: { limit: rate, evaluationWindowSec: WINDOW_SECONDS, aggregateKeyType: 'IP' } },
    ...visibilityOf('Floods'),
  },
  {
    name: CORE_RULES,
    priority: 1,
    overrideAction: { none: {} },
    statement: {
      managedRuleGroupStatement: {
        vendorName: 'AWS',
        name: CORE_RULES,
        ruleActionOverrides: [
          ...COUNTED.map((name) => ({ name, actionToUse: { count: {} } })),
          ...REFUSED.map((name) => ({ name, actionToUse: refuse('attack') })),
        ],
      },
    },
    ...visibilityOf('Attacks'),
  },
];

/** Of its measures, which all stages share. */
export const firewallName = `${$app.name}-${$app.stage}`;

/** Of the Router. */
export const firewall = {
  waf: {
    logging: { include: 'blocked', redact: { queryString: true, headers: ['authorization', 'x-api-key', 'cookie'] } },
  },
  transform: {
    waf: (args) => {
      args.rules = RULES;
      Object.assign(args, visibilityOf(firewallName));
      args.customResponseBodies = Object.entries(REFUSALS).map(([key, error]) => ({
        key,
        contentType: 'APPLICATION_JSON',
        content: JSON.stringify(toProblem(error)),
      }));
    },
    wafLogGroup: (args) => {
      args.retentionInDays = logRetentionDays;
    },
  },
} satisfies { waf: sst.aws.RouterArgs['waf']; transform: sst.aws.RouterArgs['transform'] };
