import type { ImportedDataset } from '../../configs/schema/index.ts';

interface ImportFacts {
  answer: Extract<ImportedDataset, { ok: true }>;
  source: string;
  runFile: string;
  folder: string;
  run: { recipe: string; epochs: number; note: string };
  /** Shortens a path for the terminal. */
  shown: (path: string) => string;
}

const maxClasses = 20;

/** Formats what an import found, what it changed, and the next command. */
export function formatImport({ answer, source, runFile, folder, run, shown }: ImportFacts): string {
  const { format, splits, classes, notes, warnings, preview } = answer;
  const rows = (['train', 'val'] as const).map((name) => {
    const { imageCount, objectCount, images, label } = splits[name];
    return `  ${name.padEnd(5)}  ${count(imageCount, 'image')}, ${count(objectCount, 'object')}  ${shown(images)} (${label})`;
  });
  const width = Math.max(...classes.map(({ name }) => name.length), 'class'.length);
  const table = [
    `  ${'class'.padEnd(width)}  ${'train'.padStart(7)}  ${'val'.padStart(7)}`,
    ...classes
      .slice(0, maxClasses)
      .map(({ name, train, val }) => `  ${name.padEnd(width)}  ${`${train}`.padStart(7)}  ${`${val}`.padStart(7)}`),
    ...(classes.length > maxClasses ? [`  … and ${classes.length - maxClasses} more`] : []),
  ];
  return [
    `Found ${format} annotations in ${source}: ${count(classes.length, 'class', 'classes')}.`,
    ...rows,
    '',
    ...table,
    ...section('Notes', notes),
    ...section('Warnings', warnings),
    '',
    `Images with their masks: ${shown(preview)}`,
    `Run file: ${runFile} (${run.recipe}, ${count(run.epochs, 'epoch')}). Annotations and picture: ${folder}/`,
    run.note,
    '',
    `Next:  everswin plan ${quoted(runFile)}     # checks the run and this machine`,
    `       everswin start ${quoted(runFile)}    # needs a running stack: everswin up`,
  ].join('\n');
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `- ${line}`)];

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

const quoted = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
