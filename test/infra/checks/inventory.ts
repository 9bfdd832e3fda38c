import { expect } from 'vitest';
import { type Check, ofType, remove } from '../check.ts';
import type { Resource } from '../evaluate.ts';

/** How many of each type, with GPU instances. Each resource costs money: more is as wrong as less. */
const WITH_GPU: Record<string, number> = {
  'aws:appautoscaling/target:Target': 1,
  'aws:autoscaling/group:Group': 2,
  'aws:budgets/budget:Budget': 1,
  'aws:cloudfront/cachePolicy:CachePolicy': 1,
  'aws:cloudfront/distribution:Distribution': 1,
  'aws:cloudfront/function:Function': 1,
  'aws:cloudfront/keyValueStore:KeyValueStore': 1,
  'aws:cloudwatch/dashboard:Dashboard': 1,
  'aws:cloudwatch/logGroup:LogGroup': 7,
  'aws:cloudwatch/logMetricFilter:LogMetricFilter': 3,
  'aws:cloudwatch/metricAlarm:MetricAlarm': 15,
  'aws:dynamodb/table:Table': 1,
  'aws:ec2/defaultSecurityGroup:DefaultSecurityGroup': 1,
  'aws:ec2/internetGateway:InternetGateway': 1,
  'aws:ec2/launchTemplate:LaunchTemplate': 1,
  'aws:ec2/routeTable:RouteTable': 4,
  'aws:ec2/routeTableAssociation:RouteTableAssociation': 4,
  'aws:ec2/subnet:Subnet': 4,
  'aws:ec2/vpc:Vpc': 1,
  'aws:ec2/vpcEndpoint:VpcEndpoint': 2,
  'aws:ecs/capacityProvider:CapacityProvider': 2,
  'aws:ecs/cluster:Cluster': 1,
  'aws:ecs/clusterCapacityProviders:ClusterCapacityProviders': 1,
  'aws:ecs/service:Service': 1,
  'aws:ecs/taskDefinition:TaskDefinition': 1,
  'aws:iam/instanceProfile:InstanceProfile': 1,
  'aws:iam/role:Role': 11,
  'aws:lambda/eventSourceMapping:EventSourceMapping': 1,
  'aws:lambda/function:Function': 5,
  'aws:lambda/functionUrl:FunctionUrl': 1,
  'aws:lambda/permission:Permission': 3,
  'aws:s3/bucket:Bucket': 2,
  'aws:s3/bucketCorsConfiguration:BucketCorsConfiguration': 1,
  'aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration': 1,
  'aws:s3/bucketNotification:BucketNotification': 1,
  'aws:s3/bucketObjectv2:BucketObjectv2': 5,
  'aws:s3/bucketPolicy:BucketPolicy': 2,
  'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock': 2,
  'aws:s3/bucketVersioning:BucketVersioning': 1,
  'aws:scheduler/schedule:Schedule': 3,
  'aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace': 1,
  'aws:sns/topic:Topic': 1,
  'aws:sns/topicPolicy:TopicPolicy': 1,
  'aws:sns/topicSubscription:TopicSubscription': 1,
  'aws:sqs/queue:Queue': 2,
  'aws:wafv2/webAcl:WebAcl': 1,
  'aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration': 1,
  'docker-build:index:Image': 1,
};
const WITHOUT_GPU: Record<string, number> = {
  'aws:autoscaling/group:Group': 0,
  'aws:cloudwatch/metricAlarm:MetricAlarm': 14,
  'aws:ec2/launchTemplate:LaunchTemplate': 0,
  'aws:ecs/capacityProvider:CapacityProvider': 0,
  'aws:iam/instanceProfile:InstanceProfile': 0,
  'aws:iam/role:Role': 10,
};

export const inventory = checkInventory('every resource, and no other', WITH_GPU);
export const inventoryWithoutGpu = checkInventory('nothing of a GPU is paid', { ...WITH_GPU, ...WITHOUT_GPU });

function checkInventory(name: string, counts: Record<string, number>): Check {
  return {
    name,
    holds(program) {
      expect(countTypes(program)).toEqual(Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)));
    },
    mistakes: {
      'a NAT gateway': (program) =>
        program.push({
          type: 'aws:ec2/natGateway:NatGateway',
          name: 'Nat',
          inputs: {},
          dependsOn: [],
          retained: false,
        }),
      'no dead letters': (program) => remove(program, 'DeadLettersQueue'),
      'a second cluster': (program) => program.push(...ofType(program, 'aws:ecs/cluster:Cluster')),
    },
  };
}

function countTypes(program: readonly Resource[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of program) {
    if (/^(aws|docker-build):/.test(type)) counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}
