export type InputKind = 'run' | 'sweep' | 'retrain';

/** Files that a user may confuse, by fields that only they have. The first match decides. */
const kinds: { fields: string[]; kind?: InputKind; name: string; remedy: string }[] = [
  {
    fields: ['images', 'annotations', 'categories'],
    name: 'a COCO annotation file',
    remedy: 'A run file names it: docs/how-to/own-data.md.',
  },
  {
    fields: ['planHash', 'runId'],
    name: 'the plan of a run, which everswin wrote',
    remedy: 'Its field `input` is a run input.',
  },
  { fields: ['base', 'variants'], kind: 'sweep', name: 'a sweep input', remedy: 'Start it with everswin sweep FILE.' },
  {
    fields: ['model', 'run'],
    kind: 'retrain',
    name: 'a retraining input',
    remedy: 'Start it with everswin retrain FILE.',
  },
  { fields: ['name', 'recipe'], kind: 'run', name: 'a run input', remedy: 'Start it with everswin start FILE.' },
  {
    fields: ['redirectHosts', 'datasets', 'weights'],
    name: 'a catalog',
    remedy: 'A run input has its entries in the field `catalog`.',
  },
];

/** @throws Error if the file is of another kind than the command expects. */
export function requireKind(file: string, raw: unknown, expected: InputKind): void {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return;
  const found = kinds.find(({ fields }) => fields.every((field) => field in raw));
  if (found === undefined || found.kind === expected) return;
  throw new Error(`${file} is ${found.name}. ${found.remedy.replace('FILE', file)}`);
}
