// All live objects of a class, for snapshots. The engine knows them; its inspector tells.
import type { Session } from "node:inspector";

type Class = abstract new (...args: never[]) => object;

/** Runs a full collection and lists the live instances of `type`, those of subclasses too. */
export function instancesOf<C extends Class>(type: C): InstanceType<C>[] {
  const inspector = process.getBuiltinModule("node:inspector") as { Session: new () => Session };
  const box: { type: C; found: InstanceType<C>[] } = { type, found: [] };
  // The inspector's answers arrive before `post` returns; it reaches the box through a global that only exists for now.
  const key = Symbol.for("firebrand.instances");
  const globals = globalThis as unknown as Record<symbol, unknown>;
  globals[key] = box;
  const here = `globalThis[Symbol.for("firebrand.instances")]`;
  const session = new inspector.Session();
  session.connect();
  const post = (method: string, params: object): Answer => {
    let answer: Answer | undefined;
    session.post(method, params, (error: Error | null, result?: object) => {
      if (error) throw error;
      answer = result as Answer;
    });
    return answer!;
  };
  try {
    const prototype = post("Runtime.evaluate", { expression: `${here}.type.prototype` }).result!.objectId;
    const list = post("Runtime.queryObjects", { prototypeObjectId: prototype }).objects!.objectId;
    post("Runtime.callFunctionOn", { objectId: list, functionDeclaration: `function () { ${here}.found = this; }` });
  } finally {
    session.disconnect();
    delete globals[key];
  }
  return box.found;
}
interface Answer {
  readonly result?: { readonly objectId: string };
  readonly objects?: { readonly objectId: string };
}
