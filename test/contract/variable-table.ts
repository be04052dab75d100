/** Table of docs/reference/environment.md, between `<!-- variables: worker -->` and `<!-- end -->`. */
import { WorkerEnv } from '../../workers/env.ts';

/** Variables whose default depends on the machine. Their description states it. */
const machineDefaults = ['EVERSWIN_HOME', 'EVERSWIN_HOST_ADDRESS'];

export function fillVariableTable(page: string): string {
  const rows = Object.entries(WorkerEnv.shape).map(([name, schema]) => {
    const value = schema.safeParse(undefined).data;
    const hasDefault = value !== undefined && value !== '' && !machineDefaults.includes(name);
    return `| \`${name}\` | ${schema.description ?? ''} | ${hasDefault ? `\`${value}\`` : ''} |`;
  });
  const table = ['| variable | meaning | default |', '| --- | --- | --- |', ...rows].join('\n');
  return page.replace(
    /(<!-- variables: worker -->\n)[\s\S]*?(\n<!-- end -->)/,
    (_, start: string, end: string) => `${start}\n${table}\n${end}`,
  );
}
