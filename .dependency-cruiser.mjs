/** Who may import whom. Data flows configs -> workflows -> activities -> workers; infra starts them all. */
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const typesOnly = { dependencyTypesNot: ['type-only'] };
const external = (names) => `node_modules/(${names})(/|$)`;

/** The layers of activities, from the lowest: a folder imports from its own layer and from lower ones only. */
const layers = [
  '^activities/shared/',
  '^activities/(plan|notify)/',
  '^activities/(detector|inputs|report|mirror|compare|registry|starting-weights)/',
  '^activities/pages/',
  '^activities/train/',
  '^activities/(test|sweep|retrain|verify)/',
  '^activities/preflight/',
  '^activities/(index|dependencies)[.]ts$',
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    forbid('no-cycle', 'Files do not import each other in a circle.', {}, { circular: true }),
    {
      ...forbid('no-folder-cycle', 'Folders do not import each other in a circle.', {}, { circular: true }),
      scope: 'folder',
    },
    forbid(
      'configs-is-the-contract',
      'configs holds data and the contract: it imports zod, and a function that compares texts.',
      { path: '^configs/' },
      { pathNot: ['^configs/', external('zod|fastest-levenshtein')] },
    ),
    forbid(
      'workflows-are-deterministic',
      'Workflows take values from @temporalio/workflow, configs, and the pure functions of activities/shared/summary.',
      { path: '^workflows/' },
      {
        ...typesOnly,
        pathNot: ['^(workflows|configs|activities/shared/summary)/', external('@temporalio/(workflow|common)|zod')],
      },
    ),
    forbid(
      'summary-is-pure',
      'Workflows run activities/shared/summary in their sandbox: no Node, no packages.',
      { path: '^activities/shared/summary/' },
      { pathNot: ['^activities/shared/summary/', '^configs/'] },
    ),
    forbid(
      'activities-know-no-caller',
      'Activities import no workflows, workers or infra.',
      { path: '^activities/' },
      { path: ['^(workflows|workers|infra)/', external('@temporalio/(client|worker|workflow)')] },
    ),
    forbid(
      'shared-is-plain-node',
      'Only activities/shared/temporal knows Temporal.',
      { path: '^activities/shared/', pathNot: '^activities/shared/temporal/' },
      { path: external('@temporalio') },
    ),
    ...layers.map((layer, index) =>
      forbid(
        `activities-layer-${index}`,
        'A stage imports from lower layers only.',
        { path: layer },
        { path: '^activities/', pathNot: layers.slice(0, index + 1) },
      ),
    ),
    forbid(
      'workers-name-workflows-by-path',
      'Workers import no infra, and workflows as types only.',
      { path: '^workers/' },
      { ...typesOnly, path: ['^infra/', '^workflows/'] },
    ),
    forbid(
      'infra-imports-workflow-types',
      'Commands start workflows by name.',
      { path: '^infra/' },
      { ...typesOnly, path: '^workflows/' },
    ),
    forbid(
      'tests-are-not-imported',
      'Product code imports no test.',
      { path: '^(configs|workflows|activities|workers|infra)/' },
      { path: '^test/' },
    ),
    forbid(
      'declared-packages',
      'Every imported package is listed in package.json.',
      { path: '^(configs|workflows|activities|workers|infra)/' },
      { dependencyTypes: ['npm-no-pkg', 'npm-dev', 'unknown', 'undetermined'] },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], exportsFields: ['exports'] },
  },
};
