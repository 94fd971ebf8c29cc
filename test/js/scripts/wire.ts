// A package of npm: the serializer of Phoenix's client.
import { Serializer } from 'phoenix';

export function encode(topic: string): Promise<string> {
  return new Promise((resolve) => {
    Serializer.encode({ join_ref: '1', ref: '2', topic, event: 'phx_join', payload: {} }, resolve);
  });
}

export function decode(): never {
  return Serializer.decode('no JSON', () => {});
}
