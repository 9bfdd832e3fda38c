import { createGraphBuilder, type Graph } from '../../gpu-worker/graphs/onnx.ts';

/** Names of what student and teacher give. */
export const STUDENT = { image_embeds: 'student_image_embeds', logits: 'student_logits' } as const;
export const TEACHER = { image_embeds: 'teacher_image_embeds', logits: 'teacher_logits' } as const;

/**
 * L = L_r + λ·L_l (Wu et al. 2024, eq. 1): the mean squared difference of the embeds [1, tokens, width], and the mean cross-entropy of
 * the student's tags [1, tags] under the teacher's probabilities. As softplus(s) − p·s, which is the same number and stays finite where
 * logarithms of sigmoids do not. → `loss_feature`, `loss_logits`, `loss`, each [].
 */
export function dapeLoss({ lambda, width, tags }: { lambda: number; width: number; tags: number }): Graph {
  const graph = createGraphBuilder('loss', { prefix: '/loss' });
  const [studentEmbeds, teacherEmbeds] = [STUDENT, TEACHER].map((names) => {
    return graph.input(names.image_embeds, [1, 'tokens', width]);
  }) as [string, string];
  const [student, teacher] = [STUDENT, TEACHER].map((names) => graph.input(names.logits, [1, tags])) as [
    string,
    string,
  ];

  const difference = graph.node('Sub', [studentEmbeds, teacherEmbeds]);
  const feature = graph.node('ReduceMean', [graph.node('Mul', [difference, difference])], { keepdims: 0 });
  const expected = graph.node('Mul', [graph.node('Sigmoid', [teacher]), student]);
  const entropies = graph.node('Sub', [graph.node('Softplus', [student]), expected]);
  const logits = graph.node('ReduceMean', [entropies], { keepdims: 0 });
  graph.output('loss_feature', feature, []);
  graph.output('loss_logits', logits, []);
  graph.output('loss', graph.node('Add', [feature, graph.node('Mul', [logits, graph.scalar(lambda)])]), []);
  return graph.build();
}
