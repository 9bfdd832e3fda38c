import type { NodeProto } from 'onnx-buf';
import type { Attributes } from './forward-node.ts';

export function attributesOf({ attribute }: NodeProto): Attributes {
  const find = (name: string) => attribute.find((one) => one.name === name);
  return {
    integer: (name, absent) => Number(find(name)?.i ?? absent),
    float: (name, absent) => find(name)?.f ?? absent,
    integers: (name, absent) => find(name)?.ints.map(Number) ?? absent,
    text: (name, absent) => {
      const found = find(name);
      return found ? new TextDecoder().decode(found.s) : absent;
    },
  };
}
