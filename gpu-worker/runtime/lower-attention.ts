import { create } from '@bufbuild/protobuf';
import { TensorProto_DataType as DataType, type GraphProto, GraphProtoSchema, type ValueInfoProto } from 'onnx-buf';
import { createGraphBuilder, type GraphBuilder, type Value, valueInfo } from '../graphs/onnx.ts';

interface Attention {
  query: Value;
  key: Value;
  value: Value;
  heads: number;
  /** [1 or batch, 1 or heads, n, m], added to the scores. */
  bias?: Value;
}

const BYTES_OF_SCORE = 4;
/** The axis of the queries, where heads lie apart. */
const QUERIES = 2;

/**
 * MultiHeadAttention, as `attention` of graphs/layers.ts makes it, from MatMul and Softmax. Only so many queries at a time
 * that their scores stay within `largestBufferBytes`: sizes are known when it runs, so a loop counts them. Where they all
 * fit in nothing is looped, because a loop takes its values through the memory of the CPU.
 */
export function lowerAttention(graph: GraphBuilder, attention: Attention, largestBufferBytes: number): Value {
  const { query, key, value, heads, bias } = attention;
  const [one, axis] = [graph.integers([1]), graph.integers([QUERIES])];
  const size = (tensor: Value, index: number) => graph.node('Shape', [tensor], { start: index, end: index + 1 });
  const byHead = (tensor: Value, perm: number[]) => {
    return graph.node('Transpose', [graph.node('Reshape', [tensor, graph.integers([0, 0, heads, -1])])], { perm });
  };
  const width = graph.node('Div', [size(query, 2), graph.integers([heads])]);
  const root = graph.node('Sqrt', [graph.node('Cast', [width], { to: DataType.FLOAT })]);
  const queries = graph.node('Div', [byHead(query, [0, 2, 1, 3]), root]);
  const keys = byHead(key, [0, 2, 3, 1]);
  const values = byHead(value, [0, 2, 1, 3]);

  /** Of some queries [batch, heads, some, d]. */
  const attend = (part: GraphBuilder, some: Value, someBias: Value | undefined) => {
    const product = part.node('MatMul', [some, keys]);
    const scores = someBias ? part.node('Add', [product, someBias]) : product;
    return part.node('MatMul', [part.node('Softmax', [scores], { axis: -1 }), values]);
  };
  const attendBetween = (part: GraphBuilder, start: Value, end: Value) => {
    const cut = (tensor: Value) => part.node('Slice', [tensor, start, end, axis]);
    return attend(part, cut(queries), bias && cut(bias));
  };

  const scoresOfQuery = graph.node('Mul', [graph.node('Mul', [size(key, 0), graph.integers([heads])]), size(key, 1)]);
  const mostScores = graph.integers([Math.floor(largestBufferBytes / BYTES_OF_SCORE)]);
  const atATime = graph.node('Max', [graph.node('Div', [mostScores, scoresOfQuery]), one]);
  const count = size(query, 1);

  const whole = branch(`${queries}:whole`, (part) => attend(part, queries, bias));
  const byParts = branch(`${queries}:parts`, (part) => {
    const first = attendBetween(part, part.integers([0]), atATime);
    const body = loopBody(`${queries}:part`, (inner, index, done) => {
      const start = inner.node('Mul', [inner.node('Add', [index, one]), atATime]);
      const next = attendBetween(inner, start, inner.node('Add', [start, atATime]));
      return inner.node('Concat', [done, next], { axis: QUERIES });
    });
    const further = part.node('Div', [part.node('Sub', [count, one]), atATime]);
    return part.node('Loop', [part.node('Squeeze', [further]), '', first], { body: { graph: body } });
  });
  const isWhole = graph.node('LessOrEqual', [count, atATime]);
  const attended = graph.node('If', [isWhole], { then_branch: { graph: whole }, else_branch: { graph: byParts } });
  const together = graph.node('Transpose', [attended], { perm: [0, 2, 1, 3] });
  return graph.node('Reshape', [together, graph.integers([0, 0, -1])]);
}

/** A graph inside another, whose values it sees; one fp32 output. */
function branch(name: string, build: (graph: GraphBuilder) => Value): GraphProto {
  const graph = createGraphBuilder(name, { prefix: name });
  return within(graph, [], [valueInfo(build(graph))]);
}

/** The body of a loop of a known count: of the index of the turn and of the value so far, the next value. */
function loopBody(name: string, build: (graph: GraphBuilder, index: Value, done: Value) => Value): GraphProto {
  const graph = createGraphBuilder(name, { prefix: name });
  const [index, condition, done] = [`${name}:index`, `${name}:condition`, `${name}:done`];
  const next = build(graph, index, done);
  const goesOn = valueInfo(graph.node('Identity', [condition]), [], DataType.BOOL);
  return within(
    graph,
    [valueInfo(index, [], DataType.INT64), valueInfo(condition, [], DataType.BOOL), valueInfo(done)],
    [goesOn, valueInfo(next)],
  );
}

function within(graph: GraphBuilder, input: ValueInfoProto[], output: ValueInfoProto[]): GraphProto {
  return create(GraphProtoSchema, { ...graph.build().proto, input, output });
}
