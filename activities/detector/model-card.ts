import { apKinds, apRows, formatApRow } from '../shared/summary/coco-rows.ts';
import { checkpointPosition } from '../shared/summary/checkpoint-name.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import { formatScore } from '../shared/summary/format-score.ts';
import { escapeMarkdown, tabulate } from '../report/components/markdown-table.ts';
import type { EvalMetrics, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../configs/schema/plan-weights.ts';

export interface ModelCardFacts {
  plan: RunPlan;
  metrics: EvalMetrics;
  /** Names in the order of the labels. */
  classes: readonly string[];
  /** Versions of the packages that trained it, by name. */
  environment: Readonly<Record<string, string>>;
  /** Changes of the code between its attempts; undefined if there were none. */
  codeChanges?: string | undefined;
}

/** Renders MODEL_CARD.md: results, classes, origin, how to load the detector, and licenses. */
export const renderModelCard = (facts: ModelCardFacts): string =>
  [
    `# ${escapeMarkdown(facts.plan.runId)}`,
    `Cascade Mask R-CNN with a Swin backbone for ${facts.classes.length} ${facts.classes.length === 1 ? 'class' : 'classes'}, in the format of MMDetection 3. It predicts boxes and masks.`,
    '## Results',
    `Measured on ${formatPlural(facts.metrics.images, 'validation image')} of ${escapeMarkdown(facts.plan.dataset.id)} with ${escapeMarkdown(facts.metrics.checkpoint)}. A dash means that the images contain no object of that size.`,
    tabulate(['', '', ...apKinds.map(({ title }) => `${title}:`)], listScores(facts.metrics)),
    '## Classes',
    facts.classes.map((name, label) => `${label}. ${escapeMarkdown(name)}`).join('\n'),
    '## Origin',
    tabulate(['', ''], listOrigin(facts)),
    '## Load it',
    usage,
    '## Files',
    tabulate(['file', 'content'], files),
    '## License',
    license,
  ].join('\n\n') + '\n';

/** Returns a sentence with the AP that a model card states, or undefined if it states none. */
export function formatCardScores(card: string): string | undefined {
  const [, images] = /^Measured on ([\d,]+ validation images?) /m.exec(card) ?? [];
  const [, box, mask] = /^\| AP \|.*\| (\d\.\d+) \| (\d\.\d+) \|$/m.exec(card) ?? [];
  if (images === undefined || box === undefined || mask === undefined) return undefined;
  return `This detector reached box AP ${box} and mask AP ${mask} on ${images}.`;
}

const listScores = ({ bbox, segm }: EvalMetrics): string[][] =>
  apRows.map((row) => [row.key, formatApRow(row), formatScore(bbox[row.key]), formatScore(segm[row.key])]);

function listOrigin({ plan, metrics, environment, codeChanges }: ModelCardFacts): string[][] {
  const { recipe, dataset, weights, versions } = plan;
  const { part, id, source } = startingWeights(weights);
  const packages = ['torch', 'torchvision', 'mmdet', 'mmengine', 'mmcv'].flatMap((name) => {
    const version = environment[name];
    return version === undefined ? [] : [`${name} ${version}`];
  });
  return [
    ['run', plan.runId],
    ['data', `${dataset.id}, content ${dataset.contentKey}`],
    ['recipe', `${recipe.name}, sha256 ${recipe.sha256}`],
    [
      isEvaluation(plan) ? 'weights' : `starting weights (${part})`,
      `${id}, sha256 ${source.sha256 ?? 'not published'}`,
    ],
    ['epochs', formatEpochs(plan, metrics)],
    ['batch', `${plan.gpus} x ${formatPlural(plan.batchPerGpu, 'image')}, seed ${plan.seed}`],
    ['tested checkpoint', `sha256 ${metrics.checkpointSha256}`],
    ['plan', `sha256 ${plan.planHash}`],
    ['software', [`everswin ${versions.everswin}`, ...packages].join(', ')],
    ...(codeChanges === undefined ? [] : [['code changed', codeChanges]]),
  ];
}

function formatEpochs(plan: RunPlan, { checkpoint }: EvalMetrics): string {
  if (isEvaluation(plan)) return 'none: the weights were evaluated as they are';
  const position = checkpointPosition(checkpoint);
  const planned = `${formatPlural(plan.epochs, 'epoch')} planned`;
  return position === undefined
    ? planned
    : `weights after ${formatPlural(position.epoch, 'epoch')} (step ${position.iteration}); ${planned}`;
}

const usage = `In the folder that contains \`detector/\`, with MMDetection 3 (\`onedl-mmdetection\`) installed:

\`\`\`python
import sys; sys.path.insert(0, "detector")
import mmcv_ops  # before mmdet; only needed if mmcv has no compiled operators
from mmdet.apis import DetInferencer
detect = DetInferencer(model="detector/config.py", weights="detector/model.pth", device="cpu")
detect("photo.jpg", out_dir="out")
\`\`\`

\`mmdet.apis.init_detector("detector/config.py", "detector/model.pth")\` loads it as well. mmcv from PyPI has no compiled
operators. \`mmcv_ops\` then supplies \`nms\` and \`roi_align\` with torchvision, and leaves compiled ones unchanged.

With everswin: \`everswin predict detector/ photo.jpg\`.

Paths of data in \`config.py\` are placeholders of MMDetection. To test or train with MMDetection's tools, change
\`data_root\`, \`ann_file\` and \`data_prefix\`.`;

const files = [
  [
    'config.py',
    'Model, test pipeline and training settings, in one file. It is Python: run it only if you trust its source',
  ],
  ['model.pth', 'Weights and class names; loads with weights_only=True'],
  ['model.safetensors', 'The same weights'],
  ['mmcv_ops.py', 'Replaces operators that mmcv from PyPI lacks'],
  ['SHA256SUMS', 'Checksums, verified by sha256sum -c SHA256SUMS'],
];

const license = `The code in \`config.py\` and \`mmcv_ops.py\` is under Apache-2.0. everswin sets no license for the weights. They derive
from the starting weights and the training data, whose licenses apply. Swin Transformer's released weights are under the
MIT license. COCO's annotations are under CC BY 4.0; its images are subject to the terms of Flickr. Check the licenses of
your own data before you distribute this detector.`;
