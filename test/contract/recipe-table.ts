/** Table of docs/reference/recipes.md, between `<!-- recipes: published -->` and `<!-- end -->`. */
import metafile from '../../configs/mmdet/metafile.json' with { type: 'json' };
import { RecipeFacts, type ReferenceResult } from '../../configs/schema/index.ts';

const head = ['recipe', 'trains', 'parameters', 'published box / mask AP', 'GB per GPU'];

export function fillRecipeTable(page: string): string {
  const rows = Object.entries(RecipeFacts.parse(metafile))
    .filter(([, { parameters }]) => parameters !== undefined)
    .map(([name, facts]) => `| ${formatCells(name, facts).join(' | ')} |`);
  const table = [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows].join('\n');
  return page.replace(
    /(<!-- recipes: published -->\n)[\s\S]*?(\n<!-- end -->)/,
    (_, start: string, end: string) => `${start}\n${table}\n${end}`,
  );
}

function formatCells(name: string, { title, parameters = 0, trainingMemoryGb, references }: Facts) {
  return [
    `\`${name.replace('cascade-mask-rcnn_swin-', '')}\``,
    title,
    `${(parameters / 1e6).toFixed(2)} M`,
    references.map(formatReference).join('<br>') || 'none',
    trainingMemoryGb === undefined ? 'unknown' : `${trainingMemoryGb.least}–${trainingMemoryGb.most}`,
  ];
}

type Facts = RecipeFacts[string];

const formatReference = ({ label, bbox, segm }: ReferenceResult): string =>
  `${formatPoints(bbox.AP)} / ${formatPoints(segm.AP)}, ${label}`;

const formatPoints = (score: number | null | undefined): string => (score == null ? '–' : (100 * score).toFixed(1));
