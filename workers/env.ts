import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import type { NotificationTarget } from '../activities/notify/notification-target.ts';
import { hookTokenVariable, namespace } from '../configs/names.ts';
import { listProblems } from '../configs/parse-input.ts';
import { HostName, type Versions } from '../configs/schema/index.ts';

/** The one reader of process.env. What a worker may be told from outside, and what its trainer gets to see. */
const WorkerEnv = z.object({
  TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().default(namespace),
  EVERSWIN_HOME: z.string().default(`${import.meta.dirname}/../.everswin`),
  /** Where the embedded stack serves the miniature COCO. */
  EVERSWIN_DEMO_URL: z.url().optional(),
  /** Where it serves the pages of runs. */
  EVERSWIN_PAGES_URL: z.url().optional(),
  /** The artifact store whose registry of models these pages show: `local`, or `s3://BUCKET/PREFIX`. */
  EVERSWIN_MODELS_STORE: z.string().default('local'),
  /** Leases of the machine's GPUs: one folder for all workers of the machine. */
  EVERSWIN_GPU_FOLDER: z.string().optional(),
  /** What run files call this machine: its worker polls a queue of its own, too. One name for all workers of a machine. */
  EVERSWIN_HOST: HostName.optional(),
  /** By which other machines reach this one; its host name unless given. */
  EVERSWIN_HOST_ADDRESS: z.string().min(1).default(hostname()),
  /** In a Slurm allocation, on its first node: over how many nodes `srun` starts trainings. */
  EVERSWIN_SLURM_NODES: z.coerce.number().int().min(1).optional(),
  /** More options of srun, separated by blanks. */
  EVERSWIN_SRUN_OPTIONS: z.string().default(''),
  /** MiB of a GPU that processes which are none of ours may use. */
  EVERSWIN_FOREIGN_GPU_MIB: z.coerce.number().int().min(0).default(1024),
  /** The AWS SDK's own names: an S3 server that is not AWS. Credentials it finds by its own rules. */
  AWS_ENDPOINT_URL_S3: z.url().optional(),
  AWS_REGION: z.string().default('us-east-1'),
});

export const readEnv = () => WorkerEnv.parse(process.env);

/** `EVERSWIN_NOTIFY_OPS_URL` and its like: where the notifications of an input that says `OPS` go. */
const notifyVariable = /^EVERSWIN_NOTIFY_([A-Z][A-Z0-9_]*)_(URL|SECRET|TO|FROM|CA)$/;
const mailbox = z.string().regex(/^[^\s<>,@]+@[^\s<>,@]+$/);

const NotifyEnv = z.object({
  URL: z.url({ protocol: /^(https?|smtps?)$/ }),
  /** Key of a webhook's signature. */
  SECRET: z.string().min(16).optional(),
  /** Of mail: to whom, separated by commas, and from whom. */
  TO: z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim()))
    .pipe(z.array(mailbox).min(1))
    .optional(),
  FROM: mailbox.optional(),
  /** A PEM file with the authority that the mail server's certificate is of, where no public one is. */
  CA: z.string().optional(),
});

/** @throws Error that names the variable, and never its value. */
export function readNotifyPlaces(): Map<string, NotificationTarget> {
  const found = new Map<string, Record<string, string>>();
  for (const [variable, value] of Object.entries(process.env)) {
    const [, name, part] = notifyVariable.exec(variable) ?? [];
    if (name !== undefined && part !== undefined && value !== undefined)
      found.set(name, { ...found.get(name), [part]: value });
  }
  return new Map(
    [...found].map(([name, parts]) => {
      const { data, error } = NotifyEnv.safeParse(parts);
      if (error) throw new Error(`EVERSWIN_NOTIFY_${name}_…: ${listProblems(error).join('; ')}`);
      const { URL: url, SECRET: secret, TO: to = [], FROM: from, CA: ca } = data;
      return [name, { url, secret, to, from, ca: ca === undefined ? undefined : readFileSync(ca, 'utf8') }];
    }),
  );
}

/** Of visible characters, as a header takes them, and so many that nobody guesses it. */
const HookToken = z.string().regex(/^[\x21-\x7e]{32,}$/);

/**
 * Undefined where there is none: then there is no hook.
 * @throws Error that names the variable, and never its value.
 */
export function readHookToken(): string | undefined {
  const token = process.env[hookTokenVariable];
  if (token === undefined) return undefined;
  if (HookToken.safeParse(token).success) return token;
  throw new Error(
    `Expected ${hookTokenVariable} to be 32 or more visible characters without a blank: openssl rand -hex 32 makes one.`,
  );
}

/** Returns the environment of this process without the named variables, for a child process. */
export const inheritedEnv = (unset: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || unset.includes(name) ? [] : [[name, value]],
    ),
  );

/** Without Temporal's or any store's credentials: the trainer has no business with them. */
const passedToTrainer =
  /^(PATH|HOME|LANG|TMPDIR|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS|(NCCL|GLOO|TP)_[A-Z_]+|SLURM_(?!JWT)\w+)$/;

export const trainerEnv = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      passedToTrainer.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  ),
  PYTHONPATH: projectFile('trainer'),
  PYTHONUNBUFFERED: '1',
  // Threads that spin while they wait for one another starve everything else on a small machine.
  OMP_WAIT_POLICY: 'PASSIVE',
});

export const projectFile = (path: string): string => `${import.meta.dirname}/../${path}`;

const PackageJson = z.object({ version: z.string() });

/** Hashes the trainer's modules with their paths: a change of any may change what it prepares, converts and measures. */
function hashTrainerCode(): string {
  const folder = projectFile('trainer/everswin_trainer');
  const modules = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.py'));
  const hash = createHash('sha256');
  for (const path of modules.sort()) hash.update(`${path}\0`).update(readFileSync(`${folder}/${path}`));
  return hash.digest('hex');
}

export const readVersions = (): Versions => ({
  everswin: PackageJson.parse(JSON.parse(readFileSync(projectFile('package.json'), 'utf8'))).version,
  trainerCode: hashTrainerCode(),
  trainerLock: createHash('sha256')
    .update(readFileSync(projectFile('trainer/requirements.lock')))
    .digest('hex'),
});
