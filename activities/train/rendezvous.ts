import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { RunFolder } from '../../configs/paths.ts';
import { Rendezvous } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import type { TorchrunRendezvous, ResumeFrom } from '../shared/trainer/trainer-argv.ts';

const pollMs = 250;

/** What the leader of an attempt tells the others. */
export interface PublishedRendezvous {
  attempt: number;
  fence: number;
  trainerFence: number;
  meeting: Pick<TorchrunRendezvous, 'endpoint' | 'id'>;
  resume: ResumeFrom | undefined;
}

/** Call it when everything is in place that those who join will read. */
export async function publishRendezvous(
  folder: RunFolder,
  { attempt, fence, trainerFence, meeting, resume }: PublishedRendezvous,
) {
  const { endpoint, id } = meeting;
  const from = resume === undefined ? null : { file: basename(resume.path), planHash: resume.planHash };
  const rendezvous: Rendezvous = {
    v: 1,
    workflowRun: workflowRun(),
    attempt,
    fence,
    trainerFence,
    endpoint,
    id,
    resume: from,
  };
  await writeFileAtomic(folder.rendezvous, JSON.stringify(rendezvous));
}

/**
 * The leader's word on this attempt of this workflow, as soon as it is there.
 * @throws CodedError StaleAttempt when a later attempt was called.
 */
export async function waitForRendezvous(folder: RunFolder, attempt: number): Promise<Rendezvous> {
  const { cancellationSignal } = Context.current();
  for (;;) {
    cancellationSignal.throwIfAborted();
    const found = await readJson(folder.rendezvous, Rendezvous);
    if (found?.workflowRun === workflowRun()) {
      if (found.attempt === attempt) return found;
      if (found.attempt > attempt)
        throw new CodedError('StaleAttempt', `Attempt ${attempt} is superseded by attempt ${found.attempt}.`);
    }
    await sleep(pollMs);
  }
}

const workflowRun = (): string => Context.current().info.workflowExecution?.runId ?? '';
