// The `memory` namespace: what tensors take, what is held for the next ones, and where it comes from.
import { type DeviceMemory, getDefaultDevice, getDevice, type MemoryStats } from "./core/device.ts";
import { ValueError } from "./core/errors.ts";
import { setRecording } from "./core/site.ts";
import { takeSnapshot, type SnapshotGroup } from "./core/snapshot.ts";

export type { MemoryStats } from "./core/device.ts";
export type { SnapshotGroup } from "./core/snapshot.ts";

const of = (device: string | undefined): DeviceMemory => getDevice(device ?? getDefaultDevice()).memory;

/**
 * Bytes that a device (default: the default device) holds for tensors. `live` includes what is dead and not yet collected:
 * after `emptyCache` it is exact.
 * @throws DeviceError when there is no such device.
 * @example
 * const before = memory.stats().live;
 * const t = zeros(1024, 1024);
 * memory.stats().live - before >= 4 * 1024 * 1024 // => true
 */
export const stats = (device?: string): MemoryStats => of(device).stats();

/**
 * Collects what is dead and gives memory that is held for later back to the system. Never necessary: full memory is emptied
 * before anything fails. @throws DeviceError when there is no such device.
 * @example
 * memory.emptyCache();
 * memory.stats().cached // => 0
 */
export const emptyCache = (device?: string): void => of(device).emptyCache();

/**
 * Lets `stats().peak` start again from what is live. @throws DeviceError when there is no such device.
 * @example
 * memory.resetPeak();
 * const t = zeros(1024, 1024);
 * memory.stats().peak >= 4 * 1024 * 1024 // => true
 */
export const resetPeak = (device?: string): void => of(device).resetPeak();

/**
 * The most bytes that tensors on a device may take (default: nine tenths of what the machine or the container has). A request
 * beyond it throws an OutOfMemoryError and harms nothing.
 * @throws ValueError when it is no positive number; DeviceError when there is no such device.
 * @example
 * const usual = memory.limit();
 * memory.setLimit(2 ** 30);
 * memory.limit() // => 1073741824
 * memory.setLimit(usual);
 */
export function setLimit(bytes: number, device?: string): void {
  if (!(bytes > 0))
    throw new ValueError({ op: "memory.setLimit", message: `a limit of ${bytes} bytes`, hint: "Give a positive number of bytes" });
  of(device).limit = bytes;
}
/** The limit that is in force, in bytes. @throws DeviceError when there is no such device. @example memory.limit("meta") // => Infinity */
export const limit = (device?: string): number => of(device).limit;

/**
 * Turns the recording of creation sites on or off, for snapshots and errors; returns whether it was on. While it is off,
 * which is the default, nothing is booked. The environment variable `FIREBRAND_MEMORY_TRACE=1` turns it on from the start.
 * @example
 * const was = memory.record(true);
 * memory.record(was) // => true
 */
export const record = (on: boolean): boolean => setRecording(on);

/**
 * What is alive on a device (default: on all), the largest first: grouped by where it was made if that was recorded, else by
 * dtype and shape. What graphs keep for backward is included, what lies in mapped files is not. It runs a full collection first, and takes as long.
 * @throws UnsupportedError where the engine cannot list its live objects.
 * @example
 * const kept = zeros(3, 1000);
 * memory.snapshot().find((g) => g.what === "float32 [3, 1000]").bytes // => 12000
 */
export const snapshot = (device?: string): SnapshotGroup[] => takeSnapshot(device === undefined ? undefined : getDevice(device).name);
