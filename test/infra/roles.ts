import { startHarmfulProxy } from '../support/harmful-proxy.ts';
import { inputsOf } from './check.ts';
import type { Resource } from './evaluate.ts';
import {
  type ArnOf,
  isAllowed,
  type Statement,
  type Use,
  usesOfDynamo,
  usesOfEcs,
  usesOfS3,
  usesOfSqs,
} from './iam.ts';

const SERVICES = { S3: usesOfS3, SQS: usesOfSqs, DYNAMODB: usesOfDynamo, ECS: usesOfEcs };

interface Aws {
  /** Of the servers that stand for the services. */
  endpoints: Record<keyof typeof SERVICES, string>;
  arnOf: ArnOf;
}

export function statementsOf(program: readonly Resource[], role: string): Statement[] {
  const { inlinePolicies } = inputsOf<{ inlinePolicies: { policy: string }[] }>(program, role);
  return inlinePolicies.flatMap(({ policy }) => JSON.parse(policy).Statement);
}

/** The requests of each role to AWS, noted, and refused where the program does not allow them. */
export function openRoles(program: readonly Resource[], { endpoints, arnOf }: Aws) {
  const uses = new Map<string, Use[]>();
  const refused: string[] = [];
  /** At requests that were handed over: a missing object is known when they are answered. */
  const looks: (() => void)[] = [];
  const proxies: Awaited<ReturnType<typeof startHarmfulProxy>>[] = [];

  return {
    /** The variables by which the holder of this role finds AWS, and its judge, for other requests. */
    async begin(role: string) {
      const statements = statementsOf(program, role);
      const own: Use[] = [];
      uses.set(role, own);
      const judge = (use: Use) => {
        own.push(use);
        const mayGo = isAllowed(statements, use);
        if (!mayGo) refused.push(`${role}: ${use.action} on ${use.resource}`);
        return mayGo;
      };
      const variables: Record<string, string> = {};
      for (const [service, usesOf] of Object.entries(SERVICES)) {
        const proxy = await startHarmfulProxy(endpoints[service as keyof typeof SERVICES]);
        proxies.push(proxy);
        proxy.doHarm((request, body) => {
          const asked = usesOf(request, body, arnOf);
          if (!asked.map(judge).every(Boolean)) return { status: 403, body: '{"__type":"AccessDeniedException"}' };
          // S3 tells only callers that may list the bucket that something is missing.
          for (const { resource } of asked.filter((use) => use.action === 's3:GetObject')) {
            const list = { action: 's3:ListBucket', resource: resource.split('/')[0]! };
            looks.push(() => request.status === 404 && judge(list));
          }
          return undefined;
        });
        variables[`AWS_ENDPOINT_URL_${service}`] = proxy.endpoint;
      }
      return { variables, judge };
    },
    /** The requests to AWS so far, by the names of the roles, and the refused ones. */
    seen() {
      for (const look of looks.splice(0)) look();
      return { uses, refused };
    },
    async close(): Promise<void> {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
