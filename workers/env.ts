import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { NotificationTarget } from '../activities/notify/notification-target.ts';
import { defaultDeployment } from '../configs/deployment.ts';
import {
  addressPattern,
  codecTokenVariable,
  deploymentPattern,
  expectedAddress,
  hookTokenVariable,
} from '../configs/names.ts';
import { listProblems } from '../configs/parse-input.ts';
import { homeFolders } from '../configs/paths.ts';
import { HostName, TrainerVersions, type CodeVersion, type Versions } from '../configs/schema/index.ts';

const Address = z.string().regex(addressPattern, { error: ({ input }) => `${expectedAddress}, got "${input}"` });

/** Environment variables of workers and commands. No other module reads process.env. docs/reference/environment.md lists them. */
export const WorkerEnv = z.object({
  TEMPORAL_ADDRESS: Address.optional().describe(
    'Temporal server. Without it, a command uses the stack of this folder.',
  ),
  TEMPORAL_PROFILE: z.string().optional().describe('Profile of `temporal.toml`.'),
  TEMPORAL_CONFIG_FILE: z.string().optional().describe('Path of `temporal.toml`.'),
  // The SDK reads any other text as false, and would send an API key without TLS.
  TEMPORAL_TLS: z.enum(['true', 'false', '1', '0']).optional().describe('Whether to use TLS.'),
  TEMPORAL_WORKER_BUILD_ID: z
    .string()
    .optional()
    .describe("Version of the workers for Temporal's Worker Versioning, which is off without it."),
  TEMPORAL_DEPLOYMENT_NAME: z
    .string()
    .optional()
    .describe('Name of the Worker Deployment. Without it, that of the deployment.'),
  EVERSWIN_UI_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Address of the Temporal UI of a server other than the embedded stack, for links.'),
  EVERSWIN_DEPLOYMENT: z
    .string()
    .max(40)
    .regex(deploymentPattern, 'Expected lower-case words and digits, joined by hyphens, without the word gpu')
    .default(defaultDeployment)
    .describe('Name of this deployment, the same for its workers and commands.'),
  EVERSWIN_LOG_FORMAT: z
    .enum(['text', 'json'])
    .default('text')
    .describe("Format of a worker's log: text on standard error, or JSON lines on standard output."),
  EVERSWIN_HOME: z
    .string()
    .default(`${import.meta.dirname}/../.everswin`)
    .describe('Folder of data and runs. Without it, `.everswin` of the project.'),
  EVERSWIN_DEMO_URL: z.url().optional().describe('Address of the miniature COCO; set by the embedded stack.'),
  EVERSWIN_PAGES_URL: z.url().optional().describe('Address of the page server; set by the embedded stack.'),
  EVERSWIN_MODELS_STORE: z
    .string()
    .default('local')
    .describe('Artifact store whose model registry the pages show: `local` or `s3://BUCKET/PREFIX`.'),
  EVERSWIN_CONTROL_METRICS_ADDRESS: Address.optional().describe(
    'Address at which the control worker serves Prometheus metrics. Without it, nowhere.',
  ),
  EVERSWIN_GPU_METRICS_ADDRESS: Address.optional().describe(
    'Address at which the GPU worker serves Prometheus metrics. Without it, nowhere.',
  ),
  EVERSWIN_GPU_FOLDER: z
    .string()
    .optional()
    .describe('Folder of the GPU leases, shared by all workers of the machine. Without it, `EVERSWIN_HOME/gpus`.'),
  EVERSWIN_HOST: HostName.optional().describe(
    'Name of this machine in run files, the same for all its workers. Adds a task queue for this machine.',
  ),
  EVERSWIN_HOST_ADDRESS: z
    .string()
    .min(1)
    .default(hostname())
    .describe('Address at which other machines can reach this one. Without it, its host name.'),
  EVERSWIN_SLURM_NODES: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Number of nodes on which `srun` starts trainings. Set it on the first node of a Slurm allocation.'),
  EVERSWIN_SRUN_OPTIONS: z.string().default('').describe('Additional srun options, separated by spaces.'),
  EVERSWIN_FOREIGN_GPU_MIB: z.coerce
    .number()
    .int()
    .min(0)
    .default(1024)
    .describe('GPU memory in MiB that other programs may use.'),
  // Variables of the AWS SDK, which finds the credentials itself.
  AWS_ENDPOINT_URL_S3: z.url().optional().describe('S3 server other than AWS.'),
  AWS_REGION: z.string().default('us-east-1').describe('Region of the S3 server.'),
});

/** Returns all variables that are set. An empty variable counts as unset. */
export const readVariables = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/**
 * Reads the environment.
 * @throws Error that lists the variables with invalid values.
 */
export function readEnv() {
  const { data, error } = WorkerEnv.safeParse(readVariables());
  if (data !== undefined) return data;
  throw new Error(`Invalid environment variables: ${listProblems(error).join('; ')}. Correct or unset them.`);
}

/** Variables such as `EVERSWIN_NOTIFY_OPS_URL`, which configure the notification target `OPS`. */
const notifyVariable = /^EVERSWIN_NOTIFY_([A-Z][A-Z0-9_]*)_(URL|SECRET|TO|FROM|CA)$/;
const mailbox = z.string().regex(/^[^\s<>,@]+@[^\s<>,@]+$/);

const NotifyEnv = z.object({
  URL: z.url({ protocol: /^(https?|smtps?)$/ }),
  /** Key that signs webhooks. */
  SECRET: z.string().min(16).optional(),
  /** Recipients of mail, separated by commas. */
  TO: z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim()))
    .pipe(z.array(mailbox).min(1))
    .optional(),
  FROM: mailbox.optional(),
  /** PEM file of the certificate authority of a mail server with a private certificate. */
  CA: z.string().optional(),
});

/**
 * Reads the notification targets by name.
 * @throws Error that names the variable and never its value.
 */
export function readNotificationTargets(): Map<string, NotificationTarget> {
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

/** At least 32 printable characters: valid in a header and impossible to guess. */
const HookToken = z.string().regex(/^[\x21-\x7e]{32,}$/);

/**
 * Returns the token of the retraining hook; undefined disables the hook.
 * @throws Error that names the variable and never its value.
 */
export function readHookToken(): string | undefined {
  const token = process.env[hookTokenVariable];
  if (token === undefined) return undefined;
  if (HookToken.safeParse(token).success) return token;
  throw new Error(
    `Expected ${hookTokenVariable} to be 32 or more visible characters without spaces. Create one: openssl rand -hex 32`,
  );
}

/** Part of an address, so without characters that an address escapes. */
const CodecToken = z.string().regex(/^[\w-]{32,}$/);

/**
 * Returns the token of the codec server; undefined if it should create one.
 * @throws Error that names the variable and never its value.
 */
export function readCodecToken(): string | undefined {
  const token = readVariables()[codecTokenVariable];
  if (token === undefined || CodecToken.safeParse(token).success) return token;
  throw new Error(
    `Expected ${codecTokenVariable} to be 32 or more letters, digits, - or _. Create one: openssl rand -hex 32`,
  );
}

/** Returns the environment of this process without the named variables, for a child process. */
export const inheritedEnv = (unset: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || unset.includes(name) ? [] : [[name, value]],
    ),
  );

/** Variables that the trainer inherits, without the credentials of Temporal, S3 or notifications. */
const passedToTrainer =
  /^(PATH|HOME|LANG|TMPDIR|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS|(NCCL|GLOO|TP)_[A-Z_]+|SLURM_(?!JWT)\w+)$/;

/** Returns the complete environment of the trainer. The supervisor records the code in owner.json. */
export const trainerEnv = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      passedToTrainer.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  ),
  PYTHONPATH: projectFile('trainer'),
  EVERSWIN_CODE: JSON.stringify(readCode()),
  PYTHONUNBUFFERED: '1',
  // Waiting threads that spin slow down everything else on a small machine.
  OMP_WAIT_POLICY: 'PASSIVE',
});

/** Returns the path of a file of this project. */
export const projectFile = (path: string): string => `${import.meta.dirname}/../${path}`;

/** Returns the path of a program of the trainer's environment. Setup installs it in the project, for every home. */
export function toolPath(home: string, name: 'python' | 'temporal' | 'weed'): string {
  const own = homeFolders(home).tool(name);
  return existsSync(own) ? own : homeFolders(resolve(projectFile('.everswin'))).tool(name);
}

const PackageJson = z.object({ version: z.string() });

/** Hashes the trainer's modules with their paths, for the record: results depend on trainer/versions.json. */
function hashTrainerCode(): string {
  const folder = projectFile('trainer/everswin_trainer');
  const modules = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.py'));
  const hash = createHash('sha256');
  for (const path of modules.sort()) hash.update(`${path}\0`).update(readFileSync(`${folder}/${path}`));
  return hash.digest('hex');
}

/** Reads the version of everswin. */
export const readVersion = (): string =>
  PackageJson.parse(JSON.parse(readFileSync(projectFile('package.json'), 'utf8'))).version;

const readTrainerVersions = (): TrainerVersions =>
  TrainerVersions.parse(JSON.parse(readFileSync(projectFile('trainer/versions.json'), 'utf8')));

export const readVersions = (): Versions => ({
  everswin: readVersion(),
  trainerCode: hashTrainerCode(),
  trainerLock: createHash('sha256')
    .update(readFileSync(projectFile('trainer/requirements.lock')))
    .digest('hex'),
  trainer: readTrainerVersions(),
});

/** Reads the version of the code of this process. */
const readCode = (): CodeVersion => ({ everswin: readVersion(), commit: readCommit(), trainer: readTrainerVersions() });

/** Reads the commit of the project, with `-dirty` if files were changed. @returns undefined without a git checkout. */
function readCommit(): string | undefined {
  const folder = resolve(projectFile('.'));
  // Without the limit, git would find a repository around an unpacked archive.
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], GIT_CEILING_DIRECTORIES: dirname(folder) };
  const argv = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
  const { status, stdout } = spawnSync('git', argv, { cwd: folder, env, encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? stdout.trim() : undefined;
}
