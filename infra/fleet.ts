import { STOP_TIMEOUT_SECONDS } from '../shared/limits.ts';
import { vpc } from './network.ts';
import { settings } from './settings.ts';

/** The GPU instances: none while there is no task for them; ECS rents and returns them. */

export const clusterName = `${$app.name}-${$app.stage}`;
/** On the instance's own fast disk: models, and the files of a running job. */
export const CACHE_DIRECTORY = '/mnt/cache';

/** One GPU of 24 GB each, the cheapest first. More types and zones: more often one is free. */
const INSTANCE_TYPES = ['g6.xlarge', 'g5.xlarge', 'g6.2xlarge', 'g5.2xlarge'];
/** The CUDA image and its layers. */
const DISK_GB = 100;

export interface Fleet {
  spot: aws.ecs.CapacityProvider;
  onDemand: aws.ecs.CapacityProvider;
  groups: aws.autoscaling.Group[];
}

export function createFleet(): Fleet {
  const template = createTemplate();
  const onDemand = createProvider('OnDemand', template);
  const spot = createProvider('Spot', template);
  return { onDemand: onDemand.provider, spot: spot.provider, groups: [onDemand.group, spot.group] };
}

function createTemplate(): aws.ec2.LaunchTemplate {
  const role = new aws.iam.Role('InstanceRole', {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: 'ec2.amazonaws.com' }),
    managedPolicyArns: [
      'arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role',
      'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore',
    ],
  });
  const profile = new aws.iam.InstanceProfile('InstanceProfile', { role: role.name });
  return new aws.ec2.LaunchTemplate('GpuTemplate', {
    imageId: aws.ssm.getParameterOutput({
      name: '/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id',
    }).value,
    iamInstanceProfile: { arn: profile.arn },
    vpcSecurityGroupIds: vpc.securityGroups,
    // One hop: containers cannot reach the role of the instance.
    metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
    blockDeviceMappings: [
      {
        deviceName: '/dev/xvda',
        ebs: { volumeSize: DISK_GB, volumeType: 'gp3', encrypted: 'true', deleteOnTermination: 'true' },
      },
    ],
    userData: Buffer.from(USER_DATA).toString('base64'),
    updateDefaultVersion: true,
  });
}

/** The image leaves the instance's disks unformatted; the agent of ECS ignores spot notices unless told. */
const USER_DATA = `#!/bin/bash
mkdir -p ${CACHE_DIRECTORY}
disk=$(lsblk --nodeps --noheadings --paths --output NAME,MODEL | awk '/Instance Storage/ { print $1; exit }')
if [ -n "$disk" ]; then mkfs.xfs -f "$disk" && mount -o noatime "$disk" ${CACHE_DIRECTORY}; fi
chmod 1777 ${CACHE_DIRECTORY}
cat >> /etc/ecs/ecs.config <<'EOF'
ECS_CLUSTER=${clusterName}
ECS_ENABLE_GPU_SUPPORT=true
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
EOF
`;

function createProvider(kind: 'OnDemand' | 'Spot', template: aws.ec2.LaunchTemplate) {
  const group = new aws.autoscaling.Group(
    `Gpu${kind}`,
    {
      minSize: 0,
      maxSize: settings.maxWorkers,
      desiredCapacity: 0,
      vpcZoneIdentifiers: vpc.publicSubnets,
      protectFromScaleIn: true,
      capacityRebalance: kind === 'Spot',
      mixedInstancesPolicy: {
        instancesDistribution: {
          onDemandPercentageAboveBaseCapacity: kind === 'Spot' ? 0 : 100,
          spotAllocationStrategy: 'price-capacity-optimized',
        },
        launchTemplate: {
          launchTemplateSpecification: { launchTemplateId: template.id, version: '$Latest' },
          overrides: INSTANCE_TYPES.map((instanceType) => ({ instanceType })),
        },
      },
      enabledMetrics: ['GroupInServiceInstances'],
      tags: [{ key: 'AmazonECSManaged', value: 'true', propagateAtLaunch: true }],
    },
    { ignoreChanges: ['desiredCapacity'] }, // ECS sets it
  );
  const provider = new aws.ecs.CapacityProvider(`Gpu${kind}Provider`, {
    autoScalingGroupProvider: {
      autoScalingGroupArn: group.arn,
      managedScaling: {
        status: 'ENABLED',
        targetCapacity: 100,
        minimumScalingStepSize: 1,
        maximumScalingStepSize: settings.maxWorkers,
        instanceWarmupPeriod: 60,
      },
      managedTerminationProtection: 'ENABLED',
      managedDraining: 'ENABLED',
    },
  });
  return { group, provider };
}
