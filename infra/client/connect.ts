import { Client, Connection } from '@temporalio/client';
import { namespace as defaultNamespace } from '../../configs/names.ts';

export async function connect(address: string, namespace = defaultNamespace): Promise<Client> {
  const connection = await Connection.connect({ address, connectTimeout: '5s' });
  return new Client({ connection, namespace });
}
