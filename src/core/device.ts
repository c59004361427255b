// Devices by name, loaded once. A device owns memory; what it can compute is `kernel/backend.ts`.
import { DeviceError } from "./errors.ts";
import type { Storage } from "./storage.ts";

/** How much memory a device holds for tensors, in bytes. */
export interface MemoryStats {
  /** In tensors and in what graphs keep; with what is dead and not yet collected. */
  readonly live: number;
  /** Free, and held for the next tensors. */
  readonly cached: number;
  /** The most that was ever live, or since `resetPeak`. */
  readonly peak: number;
  /** Separate pieces of live memory; small tensors share them. */
  readonly blocks: number;
  /**
   * In files that are mapped (see `load`), counted apart and against no limit, because the system reads their pages when they are touched and takes
   * those that nobody wrote to back when it is short. Absent where no files can be mapped.
   */
  readonly mapped?: number;
}
/** What can be asked of a device's allocator. */
export interface DeviceMemory {
  stats(): MemoryStats;
  /** Collects what is dead, and gives free memory back to the system. */
  emptyCache(): void;
  /** Lets `peak` start again from what is live. */
  resetPeak(): void;
  /** The most bytes that tensors may take. */
  limit: number;
}

/**
 * A part of a file in a device's memory: its pages are read when they are touched, and what is written goes to copies of them that
 * nobody else sees.
 */
export interface FileMapping {
  /** Memory over a part of the part; positions are the file's. It lives as long as it is used. */
  storage(begin: number, nbytes: number): Storage;
  /** Nothing more will be asked for. What was given stays. */
  close(): void;
}

/** The memory half of a backend. */
export interface Device {
  /** `cpu`, `wasm`, `reference`, `meta`, … */
  readonly name: string;
  readonly memory: DeviceMemory;
  /** Uninitialised memory; `lasting` for what is expected to live long, as weights that are loaded. @throws OutOfMemoryError */
  alloc(nbytes: number, lasting?: boolean): Storage;
  /** Copies host bytes into a storage at a byte offset. */
  write(storage: Storage, byteOffset: number, src: Uint8Array): void;
  /** Copies bytes of a storage to the host, waiting for pending work. Throws where a device cannot wait. */
  readSync(storage: Storage, byteOffset: number, dst: Uint8Array): void;
  /** The same without blocking. */
  read(storage: Storage, byteOffset: number, dst: Uint8Array): Promise<void>;
  /**
   * Reads a part of an open file into a storage from byte `at` on and gives how many bytes were there; undefined where that cannot be. The caller
   * keeps storage and file until then.
   */
  readFile?(file: { readonly fd: number }, offset: number, into: Storage, at: number, nbytes: number): Promise<number> | undefined;
  /** The CRC-32 of a part of a storage, where the device works it out itself. */
  checksum?(storage: Storage, at: number, nbytes: number): number;
  /** Maps a part of an open file, whose descriptor may be closed afterwards; undefined where that cannot be. */
  mapFile?(file: { readonly fd: number; readonly name: string }, begin: number, nbytes: number): FileMapping | undefined;
  /** A backward pass has ended: few tensors are alive, which makes it a good moment to look for dead ones. */
  settle?(): void;
}

const devices = new Map<string, Device | (() => Device)>();

/** Makes a device known under its name; a function is called at first use. */
export function registerDevice(name: string, device: Device | (() => Device)): void {
  devices.set(name, device);
}

/** The names of all devices that are known here. @example deviceNames().includes("cpu") // => true */
export const deviceNames = (): string[] => [...devices.keys()];

/**
 * The device of that name (`cpu`, or `cpu:0`).
 * @throws DeviceError when there is none.
 */
export function getDevice(name: string, op?: string): Device {
  const known = devices.get(name) ?? (typeof name === "string" ? devices.get(name.replace(/:0$/, "")) : undefined);
  if (known === undefined) {
    throw new DeviceError({
      ...(op !== undefined && { op }),
      message: `no device ${typeof name === "string" ? JSON.stringify(name) : name === undefined ? "without a name" : `of type ${typeof name}`} here`,
      hint: `Known devices: ${deviceNames().join(", ")}`,
    });
  }
  if (typeof known !== "function") return known;
  const made = known();
  devices.set(made.name, made);
  return made;
}

let defaultDevice = "cpu";
/** Where new tensors go. @example getDefaultDevice() // => "cpu" */
export const getDefaultDevice = (): string => defaultDevice;
/**
 * Sets where new tensors go.
 * @throws DeviceError when there is no such device.
 * @example (setDefaultDevice("cpu"), getDefaultDevice()) // => "cpu"
 */
export function setDefaultDevice(name: string): void {
  defaultDevice = getDevice(name, "setDefaultDevice").name;
}
