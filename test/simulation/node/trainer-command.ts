/** Replaces activities/shared/trainer/trainer-command.ts: of the trainer's commands, the workers of a run need gpu-health. */
import { setTimeout as sleep } from './timers-promises.ts';
import { currentProcess } from '../machine/process.ts';

interface TrainerCommand {
  argv: string[];
  output: { parse: (value: unknown) => unknown };
  signal: AbortSignal;
}

export const trainerModule = 'everswin_trainer';
const pollMs = 1_000;

export async function runTrainerCommand({ argv, output, signal }: TrainerCommand): Promise<unknown> {
  if (argv[0] !== 'gpu-health') throw new Error(`${argv[0]} is not simulated: add it to ${import.meta.filename}`);
  const { host, clock } = currentProcess();
  const values = listValues(argv);
  const watched = values('--watch');
  const ends = clock.now + 1000 * Number(values('--seconds')[0] ?? 0);
  do await sleep(pollMs, undefined, { signal });
  while (clock.now < ends && !watched.some((uuid) => host.lostGpus.has(uuid)));
  const [folder = ''] = values('--gpu-folder');
  const [ownJob = ''] = values('--job-dir');
  const listed = host.gpus.filter((uuid) => !host.lostGpus.has(uuid));
  const missing = values('--expect').filter((uuid) => !listed.includes(uuid));
  const healthy = listed.map((uuid, index) => {
    const [holder] = host.holders(`${folder}/${uuid}`);
    const job = holder && (holder.environment.EVERSWIN_JOB ?? 'a job');
    const heldBy = job === undefined || job === ownJob ? null : runOf(job);
    return { uuid, index, name: 'GPU', heldBy, verdict: 'ok', findings: [], facts: {} };
  });
  const finding = { kind: 'lost', verdict: 'unusable', message: 'The driver does not list it.', remedy: 'Replace it.' };
  const lost = missing.map((uuid) => ({
    uuid,
    index: null,
    name: null,
    heldBy: null,
    verdict: 'unusable',
    findings: [finding],
    facts: {},
  }));
  const waiting = [...host.waitingForGpus].filter(({ alive }) => alive).map(() => 'a run');
  return output.parse({ v: 1, at: clock.now / 1000, problem: null, gpus: [...healthy, ...lost], waiting });
}

/** Returns the values of an option, up to the next one. */
const listValues =
  (argv: readonly string[]) =>
  (option: string): string[] => {
    const values = argv.includes(option) ? argv.slice(argv.indexOf(option) + 1) : [];
    const end = values.findIndex((value) => value.startsWith('--'));
    return end < 0 ? values : values.slice(0, end);
  };

const runOf = (job: string): string => /\/runs\/([^/]+)\//.exec(job)?.[1] ?? job;
