/** Starts files whose workflow exists already, with a real server and stubbed activities. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createProgram } from '../../../infra/cli/program.ts';
import { miniDataset } from '../../helpers/mini-run.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';
import { withWorkers } from '../../helpers/workflow-env.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-changed-`);
  process.setMaxListeners(50); // every command listens for signals until its process ends
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const run = {
  version: 1,
  recipe: 'cascade-mask-rcnn_swin-demo',
  dataset: 'mini-coco',
  weights: { backbone: 'swin-mini-imagenet1k' },
  epochs: 10,
  gpus: 1,
  batchPerGpu: 2,
};

/** Writes a file and runs a command with it. Returns the error, or undefined. */
async function everswin(command: string, input: object): Promise<string | undefined> {
  const file = `${folder}/input.json`;
  await writeFile(file, JSON.stringify(input));
  const argv = [command, file, '--no-wait', '--address', temporalAddress()];
  return createProgram()
    .parseAsync(argv, { from: 'user' })
    .then(() => undefined)
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
}

test('start, sweep and retrain refuse a changed file whose workflow runs or has finished', async () => {
  let isReleased = false;
  const blocked = async () => {
    await until(() => Promise.resolve(isReleased || undefined));
    return miniDataset;
  };
  await withWorkers({ fetchDataset: blocked, detectChanges: blocked as never }, async (client) => {
    const name = `walk-${process.pid}`;
    expect(await everswin('start', { ...run, name })).toBeUndefined();
    // The same settings join; a note, defaults and the order of fields are no other settings.
    expect(await everswin('start', { note: 'again', seed: 0, name, ...run })).toBeUndefined();
    const changed = { ...run, name, epochs: 12, checkpoint: { keepLast: 5 }, priority: 1 };
    expect(await everswin('start', changed)).toBe(
      `${name} is already running with other settings: epochs 10 instead of 12, checkpoint.keepLast 3 instead of 5, priority unset instead of 1. ` +
        `The file does not change it. To train with the settings of the file, give it another name. To follow the running one: everswin status ${name}. To end it: everswin cancel ${name}.`,
    );
    const sweep = { version: 1, name, base: run, variants: [{ name: 'a' }, { name: 'b', change: { seed: 3 } }] };
    expect(await everswin('sweep', sweep)).toBeUndefined();
    expect(await everswin('sweep', sweep)).toBeUndefined();
    expect(await everswin('sweep', { ...sweep, base: { ...run, epochs: 5 } })).toContain(
      `compare:${name} is already running with other settings: base.epochs 10 instead of 5.`,
    );
    const { version, ...settings } = run;
    const model = { version, model: `m-${process.pid}`, run: settings };
    expect(await everswin('retrain', model)).toBeUndefined();
    expect(await everswin('retrain', model)).toBeUndefined();
    expect(await everswin('retrain', { ...model, gate: { gain: 1 } })).toContain(
      `retrain:m-${process.pid} is already running with other settings: gate.gain 0 instead of 1.`,
    );
    isReleased = true;
    await client.workflow.getHandle(`train:${name}`).result();
    expect(await everswin('start', changed)).toMatch(/ has already finished with other settings: epochs 10 instead/);
    expect(await everswin('start', { ...run, name })).toBeUndefined();
  });
});
