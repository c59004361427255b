// The pickle machine: every protocol's way of writing values, what is refused and how it is named, and what must not take for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { ZipWriter } from "../../src/io/zipWriter.ts";

const { io } = torch;
const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
/** What a pickle holds; `\x80\x02` and the final `.` are added. */
const value = (body: string, options: torch.io.OpenOptions = {}): Promise<unknown> => io.load(bytes(`\x80\x02${body}.`), options);
const refusal = (body: string): Promise<Error & { data: Record<string, unknown>; hint: string }> =>
  value(body).then(
    () => assert.fail("it was read"),
    (e) => e,
  );

test("numbers, strings and containers of protocols 0 to 5", async () => {
  // Written by Python: pickle.dumps([1, -1, 2**40, 2**70, 1.5, "é", b"\x00", True, None, (1,), {"k": [2]}, {3}], protocol)
  const want = [1, -1, 2 ** 40, 2n ** 70n, 1.5, "é", new Uint8Array([0]), true, null, [1], { k: [2] }, new Set([3])];
  const recorded = [
    "(lp0\nI1\naI-1\naI1099511627776\naI1180591620717411303424\naF1.5\naV\\u00e9\np1\nac_codecs\nencode\np2\n(V\\u0000\np3\nVlatin1\np4\ntp5\nRp6\naI01\naNa(I1\ntp7\na(dp8\nVk\np9\n(lp10\nI2\nasac__builtin__\nset\np11\n((lp12\nI3\natp13\nRp14\na",
    "]q\x00(K\x01J\xff\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x40G\x3f\xf8\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00\xc3\xa9q\x01c_codecs\nencode\nq\x02X\x01\x00\x00\x00\x00q\x03X\x06\x00\x00\x00latin1q\x04\x86q\x05Rq\x06\x88NK\x01\x85q\x07}q\x08X\x01\x00\x00\x00kq\x09]q\x0aK\x02asc__builtin__\nset\nq\x0b]q\x0cK\x03a\x85q\x0dRq\x0ee",
    "\x95\x3f\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01J\xff\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x40G\x3f\xf8\x00\x00\x00\x00\x00\x00\x8c\x02\xc3\xa9\x94C\x01\x00\x94\x88NK\x01\x85\x94}\x94\x8c\x01k\x94]\x94K\x02as\x8f\x94(K\x03\x90e",
  ];
  for (const body of recorded) assert.deepEqual(await value(body), want, JSON.stringify(body.slice(0, 20)));
  assert.deepEqual(await value("(S'a\\x41\\n\\''\nU\x02\xff\xfeT\x01\x00\x00\x00bF-inf\nL12L\nt"), [
    // prettier-ignore
    "aA\n'",
    new Uint8Array([255, 254]),
    "b",
    Number.NEGATIVE_INFINITY,
    12,
  ]);
  assert.deepEqual(await value("X\x03\x00\x00\x00\xed\xa0\x80"), "\ud800", "half a surrogate pair, as Python writes it");
});
test("dicts: plain objects where nothing is lost", async () => {
  const dict = (body: string): Promise<unknown> => value(`}(${body}u`);
  const key = (k: string): string => `U${String.fromCharCode(k.length)}${k}`;
  assert.deepEqual(await dict(`${key("b")}K\x01${key("a")}K\x02`), { b: 1, a: 2 });
  assert.deepEqual(await dict(`${key("0")}K\x01${key("1")}K\x02${key("x")}K\x03`), { 0: 1, 1: 2, x: 3 });
  assert.ok((await dict(`${key("1")}K\x01${key("0")}K\x02`)) instanceof Map, "the order would be lost");
  assert.ok((await dict(`${key("x")}K\x01${key("0")}K\x02`)) instanceof Map, "the order would be lost");
  assert.ok((await dict("K\x00K\x01")) instanceof Map, "keys that are no strings");
  const proto = (await dict(`${key("__proto__")}}${key("constructor")}K\x01`)) as Map<string, unknown>;
  assert.deepEqual(
    [...proto],
    [
      ["__proto__", {}],
      ["constructor", 1],
    ],
  ); // prettier-ignore
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  const object = (await value("cm\nC\n)\x81}(U\x09__proto__}U\x08pollutedK\x01sub")) as Record<string, unknown>;
  assert.deepEqual([object["$class"], (object["$state"] as Map<string, unknown>).has("__proto__")], ["m.C", true]);
  assert.equal(object["polluted"], undefined);
});
test("cycles and sharing", async () => {
  const list = (await value("]q\x00h\x00a")) as unknown[];
  assert.equal(list[0], list);
  const dict = (await value("}q\x00U\x04selfh\x00s")) as Record<string, unknown>;
  assert.equal(dict["self"], dict);
  const [a, b] = (await value("]q\x00(]q\x01h\x01e")) as unknown[];
  assert.equal(a, b);
});
test("classes are described, functions are refused by name", async () => {
  assert.deepEqual(await value("cmodel\nNet\n)\x81}U\x01nK\x03sb"), { $class: "model.Net", n: 3 });
  assert.deepEqual(await value("ccopy_reg\n_reconstructor\n(cm\nOld\nc__builtin__\nobject\nNtR}U\x01nK\x03sb"), { $class: "m.Old", n: 3 });
  assert.deepEqual(await value("cargparse\nNamespace\n)\x81}U\x02lrG\x3f\xe0\x00\x00\x00\x00\x00\x00sb"), {
    $class: "argparse.Namespace",
    lr: 0.5,
  });
  assert.deepEqual(await value("ctorch.nn.functional\nrelu\n"), { $global: "torch.nn.functional.relu" });
  for (const [body, path] of [
    ["cos\nsystem\n(U\x02idtR", "os.system"],
    ["cposix\nsystem\n)\x81", "posix.system"],
    ["c__builtin__\neval\n(U\x01xtR", "builtins.eval"],
    ["c__builtin__\ngetattr\n", "builtins.getattr"],
    ["(U\x02idios\nsystem\n", "os.system"],
    ["U\x0asubprocessU\x05Popen\x93(U\x02idtR", "subprocess.Popen"],
    ["cmymodule\nbuild\n(K\x01tR", "mymodule.build"],
    ["ctorch.hub\nload\n(U\x01xtR", "torch.hub.load"],
    ["ctorch.storage\n_load_from_bytes\n(U\x01xtR", "torch.storage._load_from_bytes"],
    ["cfunctools\nreduce\n(NNtR", "functools.reduce"],
    ["ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)NtR", "os.system"],
    ["ctorch._tensor\n_rebuild_from_type_v2\n(cmine\nrun\nN)NtR", "mine.run"],
  ] as const) {
    const e = await refusal(body);
    assert.equal(e.name, "UnsafeGlobalError", path);
    assert.ok(e instanceof torch.FormatError);
    assert.equal(e.data["global"], path);
    assert.ok(e.message.includes(path) && e.message.includes("bytes: at byte") && e.hint.includes("safeGlobals"), e.message);
  }
});
test("the caller may allow more", async () => {
  const body = "cmymodule\nPoint\n(K\x01}U\x01yK\x02stR";
  const safeGlobals = { "mymodule.Point": (x: unknown, rest: unknown) => ({ x, ...(rest as object) }) };
  assert.deepEqual(await value(body, { safeGlobals }), { x: 1, y: 2 });
  assert.deepEqual(await value("cmymodule\nPoint\n(K\x01}t\x81}U\x01zK\x03sb", { safeGlobals }), { x: 1, z: 3 });
});
test("numpy scalars and arrays", async () => {
  const dtype = (code: string, order: string): string =>
    `cnumpy\ndtype\n(U\x02${code}K\x00K\x01tR(K\x03U\x01${order}NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb`;
  assert.equal(await value(`cnumpy.core.multiarray\nscalar\n(${dtype("f8", "<")}B\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf8?tR`), 1.5);
  assert.equal(await value(`cnumpy._core.multiarray\nscalar\n(${dtype("i4", ">")}C\x04\x00\x00\x00\x07tR`), 7);
  const array = (state: string): string => `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01${state}tb`;
  const t = (await value(array(`(K\x02K\x02t${dtype("i2", ">")}\x88C\x08\x00\x01\x00\x02\x00\x03\x00\x04`))) as torch.Tensor;
  assert.equal(t.dtype, "int16");
  assert.deepEqual(t.toArraySync(), [
    [1, 3],
    [2, 4],
  ]); // prettier-ignore
  const text = (await value(array(`(K\x02t${dtype("S2", "|")}\x89C\x04ab\x63\x00`))) as Record<string, unknown>;
  assert.deepEqual(text["values"], ["ab", "c"]);
  assert.match(
    (await refusal(array(`(K\x03t${dtype("f4", "<")}\x89C\x04\x00\x00\x00\x00`))).message,
    /numpy array of f4 \[3\] has 4 bytes/,
  );
});
test("nonsense is named with its place", async () => {
  for (const [body, message] of [
    ["\xff", /0xff is no pickle opcode/],
    ["h\x05", /at byte 2 \(BINGET\): memo 5 was never set/],
    ["K\x01K\x02s", /stack is empty/],
    ["(", /stack is empty|MARK/],
    ["(K\x01", /MARK is left open/],
    ["K\x01(K\x02e", /no list/],
    ["]K\x01b", null],
    ["}]K\x01s", /key of a dict/],
    ["K\x01R", /no tuple/],
    ["K\x01)R", /no class or function/],
    ["L1x\n", /no integer/],
    [`L${"9".repeat(5000)}\n`, /no integer/],
    ["X\xff\xff\xff\x7fa", /the pickle does not end/],
    ["X\x02\x00\x00\x00\xff\xfe", /not UTF-8/],
    ["\x97", /outside the file/],
    ["U\x01aQ", /persistent id/],
    ["c__builtin__\nbytearray\n(J\xff\xff\xff\x7ftR", /neither text nor bytes/],
    ["c_codecs\nencode\n(X\x03\x00\x00\x00\xe2\x82\xacU\x06latin1tR", /above 255/],
    ["ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89NtR", /without a storage/],
    ["ctorch\nSize\n(J\xff\xff\xff\x7ftR", /neither a list/],
  ] as const) {
    if (!message) {
      assert.deepEqual(await value(body), []);
      continue;
    }
    const e = await refusal(body);
    assert.equal(e.name, "FormatError", body);
    assert.match(e.message, message);
    assert.match(e.message, /bytes: at byte \d+/);
  }
});
test("what could take for ever does not", { timeout: 20_000 }, async () => {
  // Each level refers twice to the one below: a tree of 2^200, a graph of 200.
  let laughs = "]q\x00";
  for (let i = 1; i < 200; i++) laughs += `]q${String.fromCharCode(i)}(h${String.fromCharCode(i - 1)}h${String.fromCharCode(i - 1)}e`;
  assert.ok(Array.isArray(await value(laughs)));
  // The same as text would have 2^200 characters: wherever a value is named or is a key, it must not be spelled.
  const top = `h${String.fromCharCode(199)}`;
  assert.equal(await value(`${laughs}0ctorch\ndevice\n${top}\x85R`), "(no simple value)");
  assert.match(
    (await refusal(`${laughs}0cnumpy\ndtype\n(${top}K\x00K\x01tRcnumpy.core.multiarray\nscalar\n(h\x00C\x00tR`)).message,
    /FormatError|numpy dtype/,
  );
  assert.match((await refusal(`${laughs}0c__builtin__\ncomplex\n${top}\x85R`)).message, /where a number is needed/);
  assert.match(
    (await refusal(`${laughs}0ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n${top}${top}\x89tR`)).message,
    /where a number is needed/,
  );
  assert.match(
    (await refusal(`${laughs}0ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nnot_a_dtype\n))\x89tR`)).message,
    /torch\.not_a_dtype where a dtype/,
  );
  let tuples = ")q\x00";
  for (let i = 1; i < 200; i++) tuples += `h${String.fromCharCode(i - 1)}h${String.fromCharCode(i - 1)}\x86q${String.fromCharCode(i)}`;
  const meta = "ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n))\x89tR";
  const keyed = await io.open(bytes(`\x80\x02${tuples}0}${top}${meta}s.`));
  assert.equal([...keyed.tensors.keys()].length, 1);
  assert.match((await refusal(`${"]".repeat(5000)}${"a".repeat(4999)}`)).message, /nested more than 1000 deep/);
  // A set of a long list, made again and again.
  const again = `]q\x00(${"K\x01".repeat(20000)}e0${"c__builtin__\nset\nh\x00\x85R0".repeat(5000)}N`;
  assert.match((await refusal(again)).message, /more work than its size can need/);
  assert.equal((await refusal(`\x8b\xff\xff\xff\x7f`)).name, "FormatError");
});

test("a tensor cannot be more than its storage, nor that than its file", async () => {
  const archive = async (tensor: string, storage: number, entry = 8): Promise<Uint8Array> => {
    const sink = io.memorySink();
    const zip = new ZipWriter(sink);
    const pid = `(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ${String.fromCharCode(storage & 255, (storage >> 8) & 255, 0, 0)}tQ`;
    await zip.bytes("a/data.pkl", bytes(`\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(${pid}${tensor}\x89NtR.`));
    await zip.bytes("a/data/0", new Uint8Array(entry));
    zip.finish();
    return sink.bytes();
  };
  const message = async (...a: Parameters<typeof archive>): Promise<string> =>
    io.load(await archive(...a)).then(
      () => "it was read",
      (e: Error) => `${e.name} ${e.message}`,
    );
  assert.deepEqual([...(await io.load<torch.Tensor>(await archive("K\x00(K\x02t(K\x01t", 2))).shape], [2]);
  assert.match(
    await message("K\x00(K\x03t(K\x01t", 2),
    /FormatError .*bytes: a\/data\.pkl: at byte .*float32 \[3\] .*byte 12 of a storage of 8/,
  );
  assert.match(await message("K\x01(K\x02t(K\x01t", 2), /FormatError .*ends at byte 12/);
  assert.match(await message("K\x00(K\x02K\x02t(K\x09K\x01t", 2), /FormatError/);
  assert.match(await message("K\x00(J\xff\xff\xff\xfft(K\x01t", 2), /FormatError .*sizes \[-1\]/);
  assert.match(await message("K\x00(K\x02t(J\xff\xff\xff\xfft", 2), /FormatError .*strides \[-1\]/);
  assert.match(await message("K\x00(K\x02t(K\x01K\x01t", 2), /FormatError/);
  assert.match(await message("K\x00(K\x02t(K\x01t", 3), /FormatError .*needs 12 bytes, its entry has 8/);
  // A stride of 0 makes many elements of one; it takes no memory.
  const wide = await io.load<torch.Tensor>(await archive("K\x00(J\x00\x00\x00\x40t(K\x00t", 1, 4));
  assert.deepEqual([[...wide.shape], wide.storage.nbytes], [[2 ** 30], 4]);
});
