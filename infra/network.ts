/** Public subnets: the workers call out, nobody can call them, and there is no NAT gateway to pay. */
export const vpc = new sst.aws.Vpc('Vpc', { az: 2 });

const region = aws.getRegionOutput().region;

// Free of charge, where photos and models would otherwise leave the network.
for (const service of ['s3', 'dynamodb']) {
  new aws.ec2.VpcEndpoint(`Endpoint-${service}`, {
    vpcId: vpc.id,
    serviceName: $interpolate`com.amazonaws.${region}.${service}`,
    vpcEndpointType: 'Gateway',
    routeTableIds: vpc.nodes.publicRouteTables.apply((tables) => tables.map(({ id }) => id)),
  });
}
