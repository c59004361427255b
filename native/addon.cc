// The Node addon in plain C Node-API. JavaScript writes a command into `ring` and calls `call()` without arguments.
// Built against NAPI_VERSION_EXPERIMENTAL: finalizers run inside the collector, even in synchronous loops.
#include <node_api.h>

#if defined(__unix__) || defined(__APPLE__)
#include <errno.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <cstring>
#include <new>

#include "crc.h"
#include "memory.h"
#include "pool.h"

namespace fb {
Kernel kernels[OpCount];
}
using namespace fb;

namespace {

constexpr int RingDoubles = 32768;
constexpr int HolderSlots = 64;
constexpr int MaxHolders = 1 << 16;

// Everything of one JavaScript thread. It outlives the environment as long as finalizers are to come.
struct Env {
  double* ring = (double*)aligned_alloc(64, RingDoubles * sizeof(double));
  Memory memory;
  int32_t* slots = (int32_t*)calloc((size_t)MaxHolders * HolderSlots, sizeof(int32_t));
  int* freeHolders = (int*)malloc(MaxHolders * sizeof(int));
  int freeCount = 0, usedHolders = 0;
  int handles = 0;
  bool closed = false;
};

void maybeDelete(Env* e) {
  if (e->closed && e->handles == 0) delete e;
}

// External values point at these; small, so that Env can be found without instance data inside a collection.
struct Handle {
  Env* env;
  int id;
};

void finalizeBlock(node_api_basic_env, void* data, void*) {
  Handle* h = (Handle*)data;
  Env* e = h->env;
  if (h->id) e->memory.unref(h->id);
  e->handles--;
  delete h;
  maybeDelete(e);
}

void finalizeHolder(node_api_basic_env, void* data, void*) {
  Handle* h = (Handle*)data;
  Env* e = h->env;
  int32_t* s = e->slots + (size_t)h->id * HolderSlots;
  for (int i = 0; i < HolderSlots; i++) {
    if (s[i]) e->memory.unref(s[i]);
    s[i] = 0;
  }
  e->freeHolders[e->freeCount++] = h->id;
  e->handles--;
  delete h;
  maybeDelete(e);
}

Env* self(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return (Env*)data;
}

napi_value external(napi_env env, Env* e, int id, napi_finalize finalize) {
  napi_value out;
  Handle* h = new Handle{e, id};
  if (napi_create_external(env, h, finalize, nullptr, &out) != napi_ok) {
    delete h;
    return nullptr;
  }
  e->handles++;
  return out;
}

// ring: -> [status, region of a mapped file, position behind its first byte]. A kernel that met missing pages has computed with zeros:
// that outranks what it says itself.
void report(Env* e, double status, int region) {
  e->ring[0] = region < 0 ? status : FileLost;
  if (region < 0) return;
  e->ring[1] = region;
  e->ring[2] = regionLoss(region);
}

napi_value call(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  double* a = e->ring;
  int op = (int)a[0];
  double status = op >= 0 && op < OpCount && kernels[op] ? kernels[op](a + 1) : (double)Unsupported;
  report(e, status, e->memory.takeLoss());
  return nullptr;
}

// ring: [bytes, reserve up to which the system may be asked] -> [block, address]; the value is the handle, undefined on a miss.
napi_value alloc(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  int b = e->memory.alloc((size_t)e->ring[0], (size_t)e->ring[1]);
  if (b < 0) return nullptr;
  e->ring[0] = b;
  e->ring[1] = (double)(uintptr_t)e->memory.address(b);
  return external(env, e, b, (napi_finalize)finalizeBlock);
}

// ring: [descriptor, first byte, bytes] -> [block, address, region]; undefined where the file cannot be mapped.
napi_value map(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  int b = e->memory.map((int)e->ring[0], (size_t)e->ring[1], (size_t)e->ring[2]);
  if (b < 0) return nullptr;
  e->ring[0] = b;
  e->ring[1] = (double)(uintptr_t)e->memory.address(b);
  e->ring[2] = e->memory.region(b);
  return external(env, e, b, (napi_finalize)finalizeBlock);
}

// ring: [block] -> a new handle on it, with a reference of its own.
napi_value rehandle(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  int b = (int)e->ring[0];
  e->memory.refs[b]++;
  return external(env, e, b, (napi_finalize)finalizeBlock);
}

// ring: [block]; JavaScript has lowered its count to zero: hand it to the cache.
napi_value release(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  int b = (int)e->ring[0];
  e->memory.refs[b] = 1;
  e->memory.unref(b);
  return nullptr;
}

// (handle): gives its reference back now; its finalizer will find nothing left to do. ring: -> [did a block come free?]
napi_value dispose(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  void* data;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &data);
  if (napi_get_value_external(env, argv[0], &data) != napi_ok) return nullptr;
  Handle* h = (Handle*)data;
  Memory& memory = h->env->memory;
  h->env->ring[0] = h->id && memory.refs[h->id] == 1 && !memory.isMapped(h->id);
  if (h->id) memory.unref(h->id);
  h->id = 0;
  return nullptr;
}

napi_value holder(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  if (e->freeCount == 0 && e->usedHolders == MaxHolders) return nullptr;
  int id = e->freeCount ? e->freeHolders[--e->freeCount] : e->usedHolders++;
  e->ring[0] = id;
  return external(env, e, id, (napi_finalize)finalizeHolder);
}

// ring: -> addresses of [the counts of references by block, the slots of the holders]
napi_value tables(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  e->ring[0] = (double)(uintptr_t)e->memory.refs;
  e->ring[1] = (double)(uintptr_t)e->slots;
  return nullptr;
}

// ring: [bytes to keep]
napi_value trim(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  e->memory.trim((size_t)e->ring[0]);
  return nullptr;
}

napi_value stats(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  Stats s = e->memory.stats();
  e->ring[0] = s.live, e->ring[1] = s.cached, e->ring[2] = s.peak, e->ring[3] = s.blocks, e->ring[4] = s.mapped, e->ring[5] = s.files;
  return nullptr;
}

napi_value resetPeak(napi_env env, napi_callback_info info) {
  self(env, info)->memory.resetPeak();
  return nullptr;
}

// (typed array, toNative): ring [address, bytes] -> [status, …]. Copies between the array's start and native memory. Memory of a file that
// ever lost pages is never read again.
napi_value transfer(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  void* data;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &data);
  Env* e = (Env*)data;
  void* host = nullptr;
  size_t length = 0;
  bool toNative = false;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, argv[0], &type, &length, &host, nullptr, nullptr) != napi_ok) return nullptr;
  napi_get_value_bool(env, argv[1], &toNative);
  size_t n = (size_t)e->ring[1];
  void* native = ptr<void>(e->ring[0]);
  if (n > 0) toNative ? memcpy(native, host, n) : memcpy(host, native, n);
  int region = e->memory.takeLoss();
  report(e, OK, region < 0 ? e->memory.lossBehind(native) : region);
  return nullptr;
}

#if defined(__unix__) || defined(__APPLE__)
// A read of a file into native memory by a thread of Node's.
struct FileRead {
  int fd;
  off_t offset;
  char* to;
  size_t bytes;
  size_t got = 0;
  int error = 0;
  napi_deferred promise = nullptr;
  napi_async_work work = nullptr;
};

void readNow(napi_env, void* data) {
  FileRead& r = *(FileRead*)data;
  while (r.got < r.bytes) {
    ssize_t n = pread(r.fd, r.to + r.got, r.bytes - r.got, r.offset + (off_t)r.got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) r.error = errno;
    if (n <= 0) return;
    r.got += (size_t)n;
  }
}

void readDone(napi_env env, napi_status status, void* data) {
  FileRead* r = (FileRead*)data;
  napi_value out;
  if (status == napi_ok && r->error == 0) {
    napi_create_double(env, (double)r->got, &out);
    napi_resolve_deferred(env, r->promise, out);
  } else {
    napi_value text;
    napi_create_string_utf8(env, r->error ? strerror(r->error) : "the process ends", NAPI_AUTO_LENGTH, &text);
    napi_create_error(env, nullptr, text, &out);
    napi_reject_deferred(env, r->promise, out);
  }
  napi_delete_async_work(env, r->work);
  delete r;
}

// ring: [descriptor, offset, address, bytes] -> a promise of how many were there. Whoever asks keeps the memory until then. Read into an
// ArrayBuffer over that memory, the same bytes would count as garbage to be, and make the engine collect again and again.
napi_value readFile(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  const double* a = e->ring;
  FileRead* r = new FileRead{(int)a[0], (off_t)a[1], ptr<char>(a[2]), (size_t)a[3]};
  napi_value name, promise;
  napi_create_string_utf8(env, "firebrand.read", NAPI_AUTO_LENGTH, &name);
  if (napi_create_promise(env, &r->promise, &promise) != napi_ok) {
    delete r;
    return nullptr;
  }
  if (napi_create_async_work(env, nullptr, name, readNow, readDone, r, &r->work) != napi_ok || napi_queue_async_work(env, r->work) != napi_ok)
    readDone(env, napi_generic_failure, r);
  return promise;
}
#else
napi_value readFile(napi_env, napi_callback_info) { return nullptr; }
#endif

// ring: [address, bytes] -> [CRC-32]
napi_value checksum(napi_env env, napi_callback_info info) {
  double* a = self(env, info)->ring;
  a[0] = crc32(ptr<uint8_t>(a[0]), (size_t)a[1]);
  return nullptr;
}

// ring: [address, bytes] -> an ArrayBuffer over native memory. `detach` ends it.
napi_value view(napi_env env, napi_callback_info info) {
  Env* e = self(env, info);
  napi_value out;
  return napi_create_external_arraybuffer(env, ptr<void>(e->ring[0]), (size_t)e->ring[1], nullptr, nullptr, &out) == napi_ok ? out : nullptr;
}

napi_value detach(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value buffer;
  napi_get_cb_info(env, info, &argc, &buffer, nullptr, nullptr);
  napi_detach_arraybuffer(env, buffer);
  return nullptr;
}

void cleanup(void* data) {
  Env* e = (Env*)data;
  e->closed = true;
  maybeDelete(e);
}

int setThreads(double* a) {
  setNumThreads((int)a[0]);
  return OK;
}
Register r(OpThreads, setThreads);

void define(napi_env env, napi_value exports, const char* name, napi_callback fn, Env* e) {
  napi_value f;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, e, &f);
  napi_set_named_property(env, exports, name, f);
}

void expose(napi_env env, napi_value exports, const char* name, void* data, size_t bytes) {
  napi_value buffer;
  napi_create_external_arraybuffer(env, data, bytes, nullptr, nullptr, &buffer);
  napi_set_named_property(env, exports, name, buffer);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  Env* e = new Env;
  expose(env, exports, "ring", e->ring, RingDoubles * sizeof(double));
  define(env, exports, "call", call, e);
  define(env, exports, "alloc", alloc, e);
  define(env, exports, "map", map, e);
  define(env, exports, "rehandle", rehandle, e);
  define(env, exports, "release", release, e);
  define(env, exports, "dispose", dispose, e);
  define(env, exports, "holder", holder, e);
  define(env, exports, "tables", tables, e);
  define(env, exports, "trim", trim, e);
  define(env, exports, "stats", stats, e);
  define(env, exports, "resetPeak", resetPeak, e);
  define(env, exports, "transfer", transfer, e);
  define(env, exports, "readFile", readFile, e);
  define(env, exports, "checksum", checksum, e);
  define(env, exports, "view", view, e);
  define(env, exports, "detach", detach, e);
  napi_value flag;
  napi_get_boolean(env, guarded, &flag);
  napi_set_named_property(env, exports, "guarded", flag);
  napi_add_env_cleanup_hook(env, cleanup, e);
  return exports;
}

extern "C" __attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1() { return NAPI_VERSION; }
