import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot, python } from '../../helpers/project.ts';

/** What a GPU machine has, by the beginning of the names in site-packages: torch and its dependencies, NumPy, OpenCV. */
const ofTheMachine =
  /^(torch|triton|nvidia|cuda|numpy|scipy|cv2|opencv|PIL|pillow|sympy|mpmath|networkx|jinja2|markupsafe|filelock|fsspec|typing_extensions)/;

let folder: string;
let bundle: string;
/** Python of an environment with nothing but `ofTheMachine`. */
let machine: string;

const everswin = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'gpu-check', ...argv], {
    cwd: folder,
    reject: false,
    all: true,
  });

const runBundle = (interpreter: string, ...argv: string[]) =>
  execa(interpreter, ['run.py', ...argv], {
    cwd: bundle,
    env: { OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    reject: false,
    all: true,
  });

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-bundle-`);
  bundle = `${folder}/bundle`;
  const { all, exitCode } = await everswin('--bundle', bundle, '--recipe', 'swin-t_blog');
  expect(exitCode, all).toBe(0);
  expect(all).toMatch(/^Wrote .*bundle \(\d\d MB\) for cascade-mask-rcnn_swin-t_blog\.$/m);
  machine = await createMachine();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Creates an environment of the same Python, with links to the packages that the machine has. */
async function createMachine(): Promise<string> {
  const describe = 'import sys, numpy; print(sys._base_executable, numpy.__path__[0].rpartition("/")[0])';
  const [base = '', packages = ''] = (await execa(python, ['-c', describe])).stdout.split(' ');
  await execa(base, ['-m', 'venv', '--without-pip', `${folder}/machine`]);
  const [version = ''] = await readdir(`${folder}/machine/lib`);
  const target = `${folder}/machine/lib/${version}/site-packages`;
  await mkdir(target, { recursive: true });
  const names = (await readdir(packages)).filter((name) => ofTheMachine.test(name));
  for (const name of names) await symlink(`${packages}/${name}`, `${target}/${name}`);
  return `${folder}/machine/bin/python`;
}

test('the bundle runs on a machine without MMDetection, and its results are read here', async () => {
  const missing = ['mmdet', 'mmengine', 'pycocotools', 'matplotlib', 'yaml', 'everswin_trainer'];
  const find = `import importlib.util as u; print([n for n in ${JSON.stringify(missing)} if u.find_spec(n)])`;
  expect((await execa(machine, ['-c', find])).stdout).toBe('[]');
  const few = ['--device', 'cpu', '--recipe', 'demo', '--iterations', '1', '--rounds', '1', '--minutes', '60'];
  const { all, exitCode } = await runBundle(machine, ...few, '--out', `${folder}/there.json`);
  expect(exitCode, all).toBe(0);
  const read = await everswin('--read', `${folder}/there.json`);
  expect(read.exitCode, read.all).toBe(0);
  expect(read.all).toMatch(/^stock +1 +– /m);
  expect(read.all).toMatch(/^fast +\d+\.\d\d /m);
});

test('the bundle names what the machine lacks', async () => {
  const noGpu = await runBundle(machine);
  expect(noGpu.exitCode).toBe(2);
  expect(noGpu.all).toContain('to find a GPU, got none');
  expect(noGpu.all).toContain('--device cpu --recipe demo');
  await execa(python, ['-m', 'venv', '--without-pip', `${folder}/bare`]);
  const noTorch = await runBundle(`${folder}/bare/bin/python`);
  expect(noTorch.exitCode).toBe(2);
  expect(noTorch.all).toMatch(/cannot import:\n {2}torch: not installed/);
  const older = `import sys, runpy; sys.version_info = (3, 9, 18); sys.argv = ['run.py']; runpy.run_path('run.py', run_name='__main__')`;
  const tooOld = await execa(machine, ['-c', older], { cwd: bundle, reject: false, all: true });
  expect(tooOld.exitCode).toBe(2);
  expect(tooOld.all).toContain('expected Python 3.10 to 3.13, got ');
  const unknown = await runBundle(machine, '--device', 'cpu', '--recipe', 'swin-x');
  expect(unknown.all).toContain('cascade-mask-rcnn_swin-demo, cascade-mask-rcnn_swin-t_blog, got swin-x');
});

test('gpu-check --bundle writes into no folder with files', async () => {
  const { all, exitCode } = await everswin('--bundle', bundle);
  expect(exitCode).toBe(1);
  expect(all).toContain(`expected ${bundle} to be empty or missing`);
});

test('gpu-check --read refuses other files', async () => {
  const package_ = await everswin('--read', `${projectRoot}/package.json`);
  expect(package_.exitCode).toBe(1);
  expect(package_.all).toContain('package.json to be the output of gpu-check');
  expect((await everswin('--read', 'none.json')).all).toContain('Cannot read none.json: the file does not exist.');
});
